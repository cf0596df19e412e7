package ui

import (
	"context"
	"errors"
)

// The exit codes of every verb.
const (
	exitDone        = 0
	exitError       = 1
	exitUsage       = 2
	exitRefused     = 3
	exitFailed      = 4
	exitCanceled    = 5
	exitInterrupted = 130
)

// exitTable is what --help says of the exit codes.
const exitTable = `Exit codes:
  0    done
  1    error: the reason is on stderr; of a census: not every document fits
  2    usage: a flag or an argument is wrong
  3    refused by a gate or a policy: stderr says what is missing
  4    a migration, or a deploy, failed
  5    a migration was canceled
  130  interrupted`

// hinted is an error with the way out: the cause first, then a hint line each.
type hinted struct {
	cause error
	hints []string
}

func (e *hinted) Error() string { return e.cause.Error() }
func (e *hinted) Unwrap() error { return e.cause }

func hint(cause error, hints ...string) error {
	return &hinted{cause, hints}
}

// coded is an error that has its own exit code.
type coded struct {
	error
	code int
}

func (e *coded) Unwrap() error { return e.error }

func usage(err error) error { return &coded{err, exitUsage} }

// exitCode maps an error to the code of this file.
func exitCode(err error) int {
	var c *coded
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &c):
		return c.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	}
	return exitError
}
