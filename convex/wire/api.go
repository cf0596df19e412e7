// Package wire is the admin client of a Convex deployment: HTTP for one-off
// calls, one WebSocket for live queries and mutations.
package wire
