package ui

import "strait/convex/fleet"

// abilities are the things that Strait does, and the operation each needs.
var abilities = []struct{ what, op string }{
	{"watch schema, sizes and statuses", "ViewData"},
	{"take a census", "RunTestQuery"},
	{"follow the function log", "ViewLogs"},
	{"dry run, run and cancel migrations", "RunInternalMutations"},
	{"deploy a schema", "Deploy"},
}

// noKeyFor is why an environment's key does not allow an operation; "" when it
// does, or when that is not known.
func noKeyFor(e *fleet.EnvSnapshot, op string) string {
	switch a := e.Facts.Access; {
	case a == nil || a.Allows(op):
		return ""
	case a.ReadOnly:
		return "the key of " + e.Name + " is read-only: put one that may write into its environment variable (i shows what it may)"
	}
	return "the key of " + e.Name + " lacks " + op + " (i shows what it may)"
}

// keyWrites blocks what calls mutations where the key may not.
func keyWrites(m Root) string { return keyAllows(m, "RunInternalMutations") }

// keyDeploys blocks what deploys where the key may not.
func keyDeploys(m Root) string { return keyAllows(m, "Deploy") }

func keyAllows(m Root, op string) string {
	if e := m.focus().env; e != nil {
		return noKeyFor(e, op)
	}
	return ""
}
