package jsrun

import (
	"sync"

	"modernc.org/libc"
)

// utcOnce makes the engine's local time UTC, as on Convex: the C library
// under it has an environment of its own, so nothing else in the process sees
// that.
var utcOnce = sync.OnceFunc(func() {
	tls := libc.NewTLS()
	defer tls.Close()
	name, err := libc.CString("TZ")
	if err != nil {
		return
	}
	defer libc.Xfree(tls, name)
	value, err := libc.CString("UTC")
	if err != nil {
		return
	}
	defer libc.Xfree(tls, value)
	libc.Xsetenv(tls, name, value, 1)
})
