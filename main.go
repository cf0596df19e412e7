// Strait plans and watches Convex schema and data migrations in a terminal.
package main

import (
	"embed"
	"io/fs"
	"os"

	"strait/ui"
)

// Without "all:", what Strait itself leaves in the folder, .strait, stays out.
//
//go:embed testdata/demo
var files embed.FS

func main() {
	demo, err := fs.Sub(files, "testdata/demo")
	if err != nil {
		panic(err) // the path above is embedded
	}
	os.Exit(ui.Main(os.Args[1:], demo))
}
