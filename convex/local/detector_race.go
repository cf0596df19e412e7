//go:build race

package local

// detectorFactor is how much slower the race detector makes the interpreter,
// which is Go code like any other.
const detectorFactor = 10
