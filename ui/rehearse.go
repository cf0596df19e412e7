package ui

import (
	"strconv"

	"strait/convex/fleet"
)

// rehearseWords are the words of strait rehearse that do the same.
func rehearseWords(cmd fleet.Command) []string {
	out, o := []string{"rehearse", "--env", cmd.Env}, cmd.Rehearse
	switch {
	case o == nil:
	case o.Export != "":
		out = append(out, "--export", o.Export)
	case o.Sample > 0:
		out = append(out, "--sample", strconv.Itoa(o.Sample))
	case o.Generate > 0:
		out = append(out, "--generate", strconv.Itoa(o.Generate))
	}
	return out
}
