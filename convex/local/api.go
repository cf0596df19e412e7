// Package local is the embedded deployment: a small, real Convex deployment in
// Go for rehearsal, demos and tests. Real data lives in real deployments.
package local
