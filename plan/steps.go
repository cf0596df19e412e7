package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

// notKnown is the step of an environment of which nothing can be said.
func (s *stand) notKnown() (Step, bool) {
	switch {
	case s.target == nil:
		return Step{State: Unknown, Why: "the target schema could not be loaded", Next: "inspect the project"}, true
	case !s.Reachable:
		return Step{State: Unknown, Why: s.away(), Next: "wait, or mend its entry in strait.toml"}, true
	case !s.known:
		return Step{State: Unknown, Why: "the active schema is not known yet", Next: "wait until it answers"}, true
	}
	return Step{}, false
}

// away says in few words why an environment does not answer. Its own heading
// and the gate have the whole problem; seven steps would only repeat it.
func (s *stand) away() string {
	const most = 72
	switch {
	case s.Problem == "":
		return "not connected yet"
	case len(s.Problem) <= most && !strings.Contains(s.Problem, "\n"):
		return s.Problem
	case s.Embedded:
		return "the environment cannot be opened"
	}
	return "the environment cannot be reached"
}

// widen is done when active accepts, for every table, what target accepts.
func (s *stand) widen(tables []string) Step {
	if st, bad := s.notKnown(); bad {
		return s.byHand(StepWiden, st)
	}
	var missing []string
	for _, t := range tables {
		switch v := s.tables[t]; {
		case v.err != nil && !v.widened:
			return s.undecided(t, v)
		case !v.widened:
			missing = append(missing, t)
		}
	}
	if len(missing) > 0 {
		return Step{
			State: Todo, At: s.Now, Next: string(ActWiden),
			Why:      "the active schema refuses documents of the new shape",
			Evidence: "refused in " + strings.Join(missing, ", ") + s.lostText(tables),
		}
	}
	st := Step{State: Done, At: s.Now, Evidence: "the active schema accepts the new shape"}
	switch {
	case s.Active == nil:
		st.Evidence = "no schema was ever pushed: everything is accepted"
	case !s.Active.Validation:
		st.Evidence = "schemaValidation is off: everything is accepted"
	}
	st.Evidence += s.lostText(tables)
	return st
}

// undecided is the step when it cannot be said which of two types accepts the
// other.
func (s *stand) undecided(table string, v verdict) Step {
	return Step{State: Unknown, At: s.Now, Why: fmt.Sprintf("table %s: %v", table, v.err), Evidence: "the active schema was read", Next: "make the type simpler"}
}

// lostText tells of indexes that go as soon as the widened schema is there,
// and which migrations ask for them.
func (s *stand) lostText(tables []string) string {
	var out strings.Builder
	for _, n := range s.notes {
		if !slices.Contains(tables, n.Table) {
			continue
		}
		out.WriteString("; " + n.Message)
		users := []string{"deployed functions"}
		for _, d := range s.defs {
			if _, indexes := d.uses(); slices.Contains(indexes[n.Table], n.Index.Name) {
				users = append(users, shortName(d.Name))
			}
		}
		out.WriteString("; see whether " + strings.Join(users, ", ") + " ask for it")
	}
	return out.String()
}

// migrate is done when no stored document misfits: enforced by the active
// schema, no documents, a certificate that holds, or a full fresh census of
// zero. names are the definitions that work on it.
func (s *stand) migrate(tables []string, path string, names []string, widen Step) Step {
	if st, bad := s.notKnown(); bad {
		return s.byHand(StepMigrate, st)
	}
	open := s.open(tables)
	if len(open) == 0 {
		return Step{State: Done, At: s.Now, Evidence: s.whyClosed(tables)}
	}
	counted, n := s.counted(open, path)
	if counted == "" && n == 0 {
		at, text := s.proof(open)
		return Step{State: Done, At: at, Evidence: text}
	}
	names = slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		d := s.definition(name)
		return d.Table != "" && !slices.Contains(open, d.Table)
	})
	evidence := s.told(names) + s.censusText(counted, n)
	if st, ok := s.inFlight(names); ok {
		return st
	}
	if st, ok := s.failed(names); ok {
		return st
	}
	st := Step{State: Todo, Evidence: evidence, At: s.Now}
	if s.Census != nil {
		st.At = s.Census.At
	}
	if widen.State == Todo {
		st.State, st.Why, st.Next = Blocked, "the active schema refuses documents of the new shape: widen first", string(ActWiden)
		return st
	}
	st = s.todo(st, names, counted, n)
	if counted != "" {
		st = s.byHand(StepMigrate, st)
	}
	return st
}

// byHand is a step that somebody vouches for and nothing here speaks against.
// It is shown and no more: no gate takes it for evidence.
func (s *stand) byHand(step string, st Step) Step {
	a, ok := s.Attested[step]
	if !ok {
		return st
	}
	return Step{State: ByHand, At: a.At, Why: st.Why, Next: st.Next, Evidence: fmt.Sprintf("%s, %s: %s", a.By, ago(s.Now, a.At), firstLine(a.Text))}
}

// todo says what would move a migrate step that nothing holds up.
func (s *stand) todo(st Step, names []string, counted string, n int64) Step {
	var done []string
	var next, missing, ran string
	for _, name := range names {
		switch p := s.Progress[name]; {
		case p.Done || p.State == "success":
			done = append(done, name)
		case !p.Deployed:
			missing = name
		case next == "":
			next = name
			if p.State == "canceled" || p.State == "unknown" && p.Processed > 0 {
				ran = fmt.Sprintf("%s stopped after %s", name, documents(p.Processed))
			}
		}
	}
	switch {
	case next != "":
		st.Next = string(ActRun) + " " + next
		st.Why = ran
	case missing != "":
		st.State, st.Why, st.Next = Blocked, missing+" is not deployed there", "deploy"
	case len(done) > 0 && counted == "":
		st.Why = fmt.Sprintf("%s ended with success, yet %s misfit", strings.Join(done, ", "), documents(n))
		st.Next = string(ActRun) + " " + done[len(done)-1] + " again"
	case len(done) > 0:
		st.Why = "success is progress, not proof: nothing has been counted since"
		st.Next = string(ActCensus)
	default:
		st.Why, st.Next = "no definition migrates it", "write a migration"
	}
	return st
}

// told is what the drivers say of the migrations that began, before the
// census's word.
func (s *stand) told(names []string) string {
	var out strings.Builder
	for _, name := range names {
		if p := s.Progress[name]; p.State != "" {
			fmt.Fprintf(&out, "%s: %s after %s; ", shortName(name), p.State, documents(p.Processed))
		}
	}
	return out.String()
}

func (s *stand) inFlight(names []string) (Step, bool) {
	for _, name := range names {
		if p := s.Progress[name]; p.State == "inProgress" {
			return Step{State: Running, At: s.Now, Evidence: fmt.Sprintf("%s: %s processed", name, count(p.Processed)), Next: string(ActCancel)}, true
		}
	}
	return Step{}, false
}

func (s *stand) failed(names []string) (Step, bool) {
	for _, name := range names {
		if p := s.Progress[name]; p.State == "failed" {
			return Step{State: Failed, At: s.when(p), Why: fmt.Sprintf("%s failed: %s", name, firstLine(p.Error)),
				Evidence: fmt.Sprintf("stopped after %s", documents(p.Processed)), Next: string(ActRun) + " " + name}, true
		}
	}
	return Step{}, false
}

// narrow is done when active and target accept the same.
func (s *stand) narrow(tables, extra []string, migrate Step) Step {
	if st, bad := s.notKnown(); bad {
		return s.byHand(StepNarrow, st)
	}
	var differ []string
	for _, t := range tables {
		switch v := s.tables[t]; {
		case v.err != nil && !(v.widened && v.enforced):
			return s.undecided(t, v)
		case !v.widened || !v.enforced:
			differ = append(differ, t)
		}
	}
	differ = append(differ, extra...)
	if len(differ) == 0 {
		st := Step{State: Done, At: s.Now, Evidence: "the active schema accepts what the target accepts, and nothing else"}
		if n := s.indexChanges(tables); n > 0 {
			st.Evidence += fmt.Sprintf("; %d index changes are not deployed", n)
		}
		return st
	}
	evidence := "the active schema differs in " + strings.Join(differ, ", ")
	if migrate.State != Done {
		return Step{State: Blocked, Why: "documents must fit first", Evidence: evidence, At: s.Now, Next: cmp.Or(migrate.Next, string(ActCensus))}
	}
	return Step{State: Todo, Evidence: evidence, At: migrate.At, Next: string(ActNarrow)}
}

func (s *stand) indexChanges(tables []string) int {
	n := 0
	for _, c := range s.changes {
		if c.Class == IndexOnly && slices.Contains(tables, c.Table) {
			n++
		}
	}
	return n
}

// open are the tables that may hold documents which do not fit.
func (s *stand) open(tables []string) []string {
	var out []string
	for _, t := range tables {
		if n, counted := s.Tables[t]; !s.tables[t].enforced && !(s.Tables != nil && (!counted || n == 0)) {
			out = append(out, t)
		}
	}
	return out
}

// unchecked reports whether one of these tables may hold documents of any
// shape, since the active schema checks none there.
func (s *stand) unchecked(tables []string) bool {
	return slices.ContainsFunc(s.open(tables), func(t string) bool { return checked(s.Active, t) == nil })
}

func (s *stand) whyClosed(tables []string) string {
	if !s.target.Validation {
		return "the target has schemaValidation switched off: Convex checks no document"
	}
	for _, t := range tables {
		if !s.tables[t].enforced {
			return "no documents in " + t
		}
	}
	return "the active schema enforces it on every document"
}

// counted is the number of documents of these tables that misfit, at or around
// path ("" anywhere); why says why neither certificate nor census can be relied
// on, "" when one can.
func (s *stand) counted(tables []string, path string) (why string, n int64) {
	uncertified := s.uncertified(tables)
	if uncertified == "" {
		return "", 0
	}
	if why := s.staleness(); why != "" {
		if c := s.Certificate; c != nil && (s.Census == nil || !s.Census.At.After(c.Ended)) {
			why = uncertified // it says more of the same count
		}
		return why, 0
	}
	for _, t := range tables {
		if !s.Census.looked(t) {
			return "the last census did not read " + t, 0
		}
	}
	if path == "" {
		for _, t := range tables {
			n += s.Census.Tables[t]
		}
		return "", n
	}
	for _, g := range s.Census.Groups {
		if slices.Contains(tables, g.Table) && related(g.Path, path) {
			n += g.Count
		}
	}
	return "", n
}

// looked reports whether a census says something of a table's documents: it
// read them, or proved by what they are that it need not. That the schema of
// then enforced it says nothing of later.
func (c *Census) looked(table string) bool {
	_, read := c.Tables[table]
	proved := c.Counts[table].Proved
	return read || proved == ByEmpty || proved == ByShapes
}

// staleness says why the census is no full and fresh one of this target; ""
// when it is.
func (s *stand) staleness() string {
	c := s.Census
	switch {
	case c == nil:
		return "not counted yet"
	case s.hash == nil || c.Schema != s.hash():
		return "the last census was taken against another target"
	case !c.Full:
		return "the last census was not full"
	case s.revokedSince(c.At):
		return s.uncertified(nil)
	case c.Stale:
		return "documents were written since the last census"
	case s.Now.Sub(c.At) > FreshFor:
		return "the last census is older than an hour"
	}
	if c.Offenders > 0 {
		return "" // no proof, but a count that says where
	}
	return s.oldWriters()
}

// revokedSince reports whether what was counted at a time was revoked later.
func (s *stand) revokedSince(at time.Time) bool {
	c := s.Certificate
	return c != nil && c.Schema == s.hash() && c.Revoked.After(at)
}

func (s *stand) censusText(why string, n int64) string {
	switch {
	case s.Census == nil:
		return why
	case why != "":
		return fmt.Sprintf("%s (%s)", why, ago(s.Now, s.Census.At))
	}
	return fmt.Sprintf("%s misfit, counted %s", documents(n), ago(s.Now, s.Census.At))
}

// progress is the step of one definition, as its driver tells it.
func (s *stand) progress(d Definition) Step {
	if st, bad := s.notKnown(); bad && !s.Reachable {
		return st
	}
	p := s.Progress[d.Name]
	at := s.when(p)
	n := count(p.Processed) + " processed"
	switch {
	case p.State == "success" || p.Done:
		return Step{State: Done, At: at, Evidence: fmt.Sprintf("success, %s, ended %s", n, ago(s.Now, p.Ended))}
	case p.State == "inProgress":
		return Step{State: Running, At: s.Now, Evidence: n, Next: string(ActCancel)}
	case p.State == "failed":
		return Step{State: Failed, At: at, Why: firstLine(p.Error), Evidence: n, Next: string(ActRun) + " " + d.Name}
	case !p.Deployed:
		return Step{State: Blocked, At: at, Why: "the function is not deployed there", Next: "deploy"}
	case p.State == "canceled":
		return Step{State: Todo, At: at, Why: "canceled", Evidence: n, Next: string(ActRun) + " " + d.Name}
	case p.State == "unknown" && p.Processed > 0:
		return Step{State: Unknown, At: at, Evidence: n, Next: string(ActRun) + " " + d.Name,
			Why: "the component no longer knows how it ended: run by hand batch by batch, canceled long ago, or its job was cleaned up after 7 days"}
	}
	return Step{State: Todo, At: at, Evidence: "never started", Next: string(ActRun) + " " + d.Name}
}

// when is the time of what is known of a migration: its end, its start, or now
// when it left neither.
func (s *stand) when(p Progress) time.Time {
	for _, at := range []time.Time{p.Ended, p.Started} {
		if !at.IsZero() {
			return at
		}
	}
	return s.Now
}
