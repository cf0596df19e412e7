package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// CertifiedFor is how long a certificate holds where nothing else is set.
const CertifiedFor = 24 * time.Hour

// lookLag is how far the watch for old-shape writers may be behind a write: on
// a table that is written to all the time it never has seen the last one.
// Convex itself checks every document once more when the target is pushed.
const lookLag = 5 * time.Minute

// Holds says why a certificate does not hold for its time as such, whatever
// was written since; "" it does. hash is the target's.
func (c *Certificate) Holds(hash string, now time.Time, fresh time.Duration) (why string) {
	fresh = cmp.Or(fresh, CertifiedFor)
	switch {
	case c == nil:
		return "not counted yet"
	case c.Schema != hash:
		return "the certificate is of another target"
	case !c.Revoked.IsZero():
		return fmt.Sprintf("the certificate was revoked %s: %s", ago(now, c.Revoked), firstLine(c.Why))
	case c.Ended.After(now.Add(lookLag)):
		return "the certificate is dated later than now: a clock is wrong"
	case now.Sub(c.Ended) > fresh:
		return fmt.Sprintf("the certificate is older than %s", lasting(fresh))
	}
	return ""
}

// lasting is a duration in its largest whole unit.
func lasting(d time.Duration) string {
	switch {
	case d%(24*time.Hour) == 0 && d > 24*time.Hour:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	case d%time.Hour == 0:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return d.String()
}

// covers reports whether a certificate says something of every one of tables.
func (c *Certificate) covers(tables []string) (missing string) {
	for _, t := range tables {
		if _, read := c.Tables[t]; !read && !slices.Contains(c.Proved, t) {
			return t
		}
	}
	return ""
}

// uncertified says why the certificate is no proof that no document of these
// tables misfits; "" it is.
func (s *stand) uncertified(tables []string) (why string) {
	if s.hash == nil {
		return "not counted yet"
	}
	c := s.Certificate
	if why := c.Holds(s.hash(), s.Now, s.FreshFor); why != "" {
		return why
	}
	if t := c.covers(tables); t != "" {
		return "the certificate says nothing of " + t
	}
	if s.Census != nil && s.Census.Schema == c.Schema && s.Census.At.After(c.Ended) && s.Census.Offenders > 0 {
		return "a later census found offenders"
	}
	if text := s.oldWriters(); text != "" {
		return text
	}
	if s.Doubt != "" {
		return s.Doubt
	}
	return s.unlooked(c.Started)
}

// unlooked says of documents that were written since began, and at which nobody
// has looked; "" there are none.
func (s *stand) unlooked(began time.Time) string {
	w := s.Writers
	switch {
	case !s.Written.After(began):
		return ""
	case w == nil || w.Checked.IsZero():
		return "documents were written since it was counted, and nobody looked at them"
	case !s.Written.After(w.Checked):
		return ""
	case !w.Checked.Before(began) && (s.Now.Sub(w.Checked) <= lookLag || w.recounts() && !s.migratedSince(began)):
		return ""
	}
	return "documents were written since those that were looked at " + ago(s.Now, w.Checked)
}

// recounts reports whether a changed document is seen only when its table is
// read again. On a large table that is written to all the time that is never
// soon enough for lookLag: there the certificate's own time is the bound, and
// unseen says what it leaves open.
func (w *Writers) recounts() bool { return w.How == WatchRecount }

// migratedSince reports whether a migration ended after a moment: what it wrote
// is no ordinary writer's.
func (s *stand) migratedSince(at time.Time) bool {
	return slices.ContainsFunc(s.defs, func(d Definition) bool { return s.Progress[d.Name].Ended.After(at) })
}

// unseen says of documents that were changed since the certificate, and that
// nobody may have looked at; "" there are none.
func (s *stand) unseen(tables []string) string {
	w := s.Writers
	open := s.open(tables)
	if len(open) == 0 || s.uncertified(open) != "" || w == nil || !w.recounts() || !s.Written.After(w.Checked) || s.Now.Sub(w.Checked) <= lookLag {
		return ""
	}
	return fmt.Sprintf("changed documents are seen only when their table is read again, and those of before %s were; Convex checks all of them at the push",
		ago(s.Now, w.Checked))
}

// proof says what it rests on that no document misfits: the certificate, or the
// census of this process, and what is known of the time since.
func (s *stand) proof(tables []string) (at time.Time, text string) {
	if s.uncertified(tables) != "" {
		return s.Census.At, fmt.Sprintf("no document misfits; %s read, counted %s", documents(s.Census.Read), ago(s.Now, s.Census.At))
	}
	c := s.Certificate
	var read int64
	for _, n := range c.Tables {
		read += n
	}
	text = fmt.Sprintf("certified: no document misfits; %s read, counted %s", documents(read), ago(s.Now, c.Ended))
	return c.Ended, text + s.sinceThen()
}

// sinceThen is what is known of documents that were written after the count.
func (s *stand) sinceThen() string {
	w := s.Writers
	if w == nil || w.Checked.IsZero() {
		if s.Written.After(s.Certificate.Started) {
			return ""
		}
		return "; nobody watches for old-shape writers"
	}
	what := map[string]string{
		WatchShapes:  "; what is written since is looked at by its shapes",
		WatchChanges: "; every write since is looked at",
		WatchRecount: "; new documents since are looked at, changed ones only when they are counted again",
	}[w.How]
	return cmp.Or(what, "; what is written since is looked at") + ", last " + ago(s.Now, w.Checked)
}
