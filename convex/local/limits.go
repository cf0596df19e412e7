package local

import (
	"fmt"
	"time"

	"strait/convex/jsrun"
)

// engineFactor is how much slower the embedded interpreter runs JavaScript
// than Convex's engine does: the time limits are stretched by it, so that a
// rehearsal does not time out where the real deployment would not. The texts
// name Convex's own limit.
const engineFactor = 8 * detectorFactor

// DefaultLimits are Convex's (convex-wire.md 9.1).
func DefaultLimits() Limits {
	return Limits{
		DocumentsRead: 32000, BytesRead: 16 << 20, IndexRanges: 4096,
		DocumentsWritten: 16000, BytesWritten: 16 << 20,
		FunctionsScheduled: 1000, ScheduledArgsBytes: 16 << 20,
		ArgsBytes: 16 << 20, ResultBytes: 16 << 20,
		FunctionTime: time.Second, ActionTime: 30 * time.Minute,
		CallDepth: 8,
	}
}

// orDefault puts Convex's number in the place of each that is zero.
func (l Limits) orDefault() Limits {
	d := DefaultLimits()
	for _, n := range []struct{ given, standard *int }{
		{&l.DocumentsRead, &d.DocumentsRead}, {&l.BytesRead, &d.BytesRead}, {&l.IndexRanges, &d.IndexRanges},
		{&l.DocumentsWritten, &d.DocumentsWritten}, {&l.BytesWritten, &d.BytesWritten},
		{&l.FunctionsScheduled, &d.FunctionsScheduled}, {&l.ScheduledArgsBytes, &d.ScheduledArgsBytes},
		{&l.ArgsBytes, &d.ArgsBytes}, {&l.ResultBytes, &d.ResultBytes}, {&l.CallDepth, &d.CallDepth},
	} {
		if *n.given == 0 {
			*n.given = *n.standard
		}
	}
	if l.FunctionTime == 0 {
		l.FunctionTime = d.FunctionTime
	}
	if l.ActionTime == 0 {
		l.ActionTime = d.ActionTime
	}
	return l
}

const overLimitHelp = "Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions."

// userError is an error of the function's doing: JavaScript sees it.
type userError struct {
	code    string // Convex's short name
	message string
	data    []byte // of a ConvexError, encoded
	limit   bool   // a transaction limit: ends the function
}

func (e *userError) Error() string { return e.message }

func userErrorf(code, format string, args ...any) *userError {
	return &userError{code: code, message: fmt.Sprintf(format, args...)}
}

func limitErrorf(code, format string, args ...any) *userError {
	e := userErrorf(code, format, args...)
	e.limit = true
	return e
}

// usage counts what a transaction used.
type usage struct {
	Usage
	scheduledArgsBytes int
	maxScheduledArgs   int
	biggest, deepest   struct {
		id string
		n  int
	}
}

// countRead counts a document read.
func (tx *transaction) countRead(doc *document) error {
	tx.usage.DocumentsRead++
	tx.usage.BytesRead += int(doc.size)
	if n := tx.limits.DocumentsRead; tx.usage.DocumentsRead > n {
		return limitErrorf("TooManyDocumentsRead", "Too many documents read in a single function execution (limit: %d). %s", n, overLimitHelp)
	}
	if n := tx.limits.BytesRead; tx.usage.BytesRead > n {
		return limitErrorf("TooManyBytesRead", "Too many bytes read in a single function execution (limit: %d bytes). %s", n, overLimitHelp)
	}
	return nil
}

// countRanges compares the ranges read with their limit.
func (tx *transaction) countRanges() error {
	tx.usage.IndexRanges = tx.reads.count
	if n := tx.limits.IndexRanges; tx.usage.IndexRanges > n {
		return limitErrorf("TooManyReads", "Too many reads in a single function execution (limit: %d). %s", n, overLimitHelp)
	}
	return nil
}

func (tx *transaction) countWrite(size int) error {
	tx.usage.DocumentsWritten++
	tx.usage.BytesWritten += size
	if n := tx.limits.DocumentsWritten; tx.usage.DocumentsWritten > n {
		return limitErrorf("TooManyWrites", "Too many writes in a single function execution (limit: %d)", n)
	}
	if n := tx.limits.BytesWritten; tx.usage.BytesWritten > n {
		return limitErrorf("TooManyBytesWritten", "Too many bytes written in a single function execution (limit: %s)", formatBytes(n))
	}
	return nil
}

func (tx *transaction) countScheduled(args int) error {
	u := &tx.usage
	u.FunctionsScheduled++
	u.scheduledArgsBytes += args
	u.maxScheduledArgs = max(u.maxScheduledArgs, args)
	if n := tx.limits.FunctionsScheduled; u.FunctionsScheduled > n {
		return limitErrorf("TooManyFunctionsScheduled", "Too many functions scheduled by this mutation (limit: %d)", n)
	}
	if n := tx.limits.ScheduledArgsBytes; u.scheduledArgsBytes > n {
		return limitErrorf("ScheduledFunctionsArgumentsTooLarge", "Too large total size of the arguments of scheduled functions from this mutation (limit: %d bytes)", n)
	}
	return nil
}

// formatBytes prints a size as Convex does: 16 MiB, 1.2 MiB, 100 B.
func formatBytes(n int) string {
	units := []string{"B", "KiB", "MiB", "GiB"}
	f, u := float64(n), 0
	for f >= 1024 && u < len(units)-1 {
		f /= 1024
		u++
	}
	if f == float64(int(f)) {
		return fmt.Sprintf("%d %s", int(f), units[u])
	}
	return fmt.Sprintf("%.2f %s", f, units[u])
}

// warnings are the WARN lines of a function that came near a limit (9.1).
func (f *function) warnings(result int) []string {
	var out []string
	warn := func(actual, limit int, what, unit, help string) {
		if actual <= limit*8/10 || actual > limit {
			return
		}
		text := fmt.Sprintf("%s (actual: %d%s, limit: %d%s).", what, actual, unit, limit, unit)
		if help != "" {
			text += " " + help
		}
		out = append(out, text)
	}
	l := f.run.d.limits
	warn(f.argsSize, l.ArgsBytes, "Large size of the function arguments", " bytes", "")
	if f.tx != nil {
		u := &f.tx.usage
		warn(u.DocumentsRead, l.DocumentsRead, "Many documents read in a single function execution", "", overLimitHelp)
		warn(u.IndexRanges, l.IndexRanges, "Many reads in a single function execution", "", overLimitHelp)
		warn(u.BytesRead, l.BytesRead, "Many bytes read in a single function execution", " bytes", overLimitHelp)
		warn(u.DocumentsWritten, l.DocumentsWritten, "Many writes in a single function execution", "", "")
		warn(u.BytesWritten, l.BytesWritten, "Many bytes written in a single function execution", " bytes", "")
		warn(u.FunctionsScheduled, l.FunctionsScheduled, "Many functions scheduled by this mutation", "", "")
		warn(u.scheduledArgsBytes, l.ScheduledArgsBytes, "Large total size of the arguments of scheduled functions from this mutation", " bytes", "")
		warn(u.biggest.n, 1<<20, fmt.Sprintf("Large document written with ID %q", u.biggest.id), " bytes", "")
		warn(u.deepest.n, 16, fmt.Sprintf("Deeply nested document written with ID %q", u.deepest.id), " levels", "")
	}
	warn(result, l.ResultBytes, "Large size of the function return value", " bytes", "")
	limit := l.FunctionTime
	if f.fn.Type == jsrun.Action {
		limit = l.ActionTime
	}
	if js := f.jsTime / engineFactor; limit > 0 && js > limit*8/10 && js <= limit {
		out = append(out, fmt.Sprintf("Function execution took a long time. (maximum duration: %s, actual duration: %s).", duration(limit), duration(js)))
	}
	return out
}
