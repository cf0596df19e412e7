//go:build !race

package local

const detectorFactor = 1
