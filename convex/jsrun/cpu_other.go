//go:build !unix

package jsrun

import "time"

// processTime is the wall clock where CPU time is not to be had.
func processTime() time.Duration { return time.Duration(clock()) }
