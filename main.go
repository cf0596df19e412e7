// Strait plans and watches Convex schema and data migrations in a terminal.
package main

func main() {}
