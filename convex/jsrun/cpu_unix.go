//go:build unix

package jsrun

import (
	"syscall"
	"time"
)

// processTime is the CPU time that the process has used.
func processTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return time.Duration(clock())
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
