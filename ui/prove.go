package ui

import (
	"strconv"

	"strait/convex/fleet"
)

// proveWords are the words of strait prove that search the same.
func proveWords(cmd fleet.Command) []string {
	out, o := []string{"prove"}, cmd.Prove
	if o == nil {
		return out
	}
	if o.Env != "" {
		out = append(out, "--env", o.Env)
	}
	for _, row := range o.Rows {
		out = append(out, "--row", row)
	}
	if o.Documents > 0 && o.Documents != 2000 {
		out = append(out, "--documents", strconv.Itoa(o.Documents))
	}
	if o.Seed > 1 {
		out = append(out, "--seed", strconv.FormatUint(o.Seed, 10))
	}
	return out
}
