package fleet

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"slices"
	"time"

	"strait/model/schema"
	"strait/plan"
)

// A certificate says that no document of a deployment misfits the target
// (design.md section 4). One is issued by a full census of zero, kept in the
// journal, and taken up by later processes. It ends with its time, with a
// census that finds an offender, with a push (code that writes the old shape
// may be back), and with a document of the old shape that was written since.

// revoke ends the certificate of an environment, if one stands, and records
// why. f.mu is not held.
func (f *Fleet) revoke(e *env, why string) {
	record := func() {}
	f.change(func() { record = e.withdraw(why, f.now().Round(0)) })
	record()
}

// withdraw is revoke for those who hold f.mu: it ends the certificate at once
// and gives what records that, to be called when f.mu is free.
func (e *env) withdraw(why string, at time.Time) (record func()) {
	c := e.certificate
	if c == nil || !c.Revoked.IsZero() {
		return func() {}
	}
	revoked := *c
	revoked.Revoked, revoked.Why = at, why
	e.certificate = &revoked
	e.cache.stale, e.f.planned.stale = true, true
	e.f.say("warn", e.cfg.Name, "the certificate is revoked: "+why)
	return e.certified("revoked", &revoked)
}

// certified gives what records a certificate as it is now, to be called when
// f.mu, which is held, is free; that it cannot be written is told.
func (e *env) certified(phase string, c *plan.Certificate) (record func()) {
	x := entry{
		At: e.f.now(), ID: rand.Text()[:12], Phase: phase, Action: string(plan.ActCensus), Env: e.cfg.Name,
		Deployment: c.Deployment, URL: e.url, Schema: c.Schema, Certificate: c,
	}
	return func() {
		if err := e.f.journal.write(x); err != nil {
			e.f.change(func() { e.f.say("warn", e.cfg.Name, err.Error()) })
		}
	}
}

// judgeCensus draws what follows from a census: a certificate when it is one
// of zero that leaves nothing out, the end of the one that stood when it found
// offenders. It gives what records that once f.mu is free, which is held.
func (a *action) judgeCensus(c *plan.Census, began censusBegin) (record func()) {
	e := a.e
	if old := e.certificate; c.Offenders > 0 && old != nil && old.Schema == c.Schema {
		return e.withdraw("a census found that "+misfitting(c.Offenders), c.At)
	}
	issued := a.certificate(c)
	if issued == nil {
		return func() {}
	}
	e.certificate, e.doubt = issued, ""
	if e.pushedAt != began.pushed || e.hash != began.active {
		// A count alone would let through what a certificate does not.
		issued.Revoked, issued.Why = laterOf(e.f.now().Round(0), c.At.Add(time.Nanosecond)), "code was pushed while it was counted: what writes there now may write the old shape"
		e.f.say("warn", e.cfg.Name, "no certificate: "+issued.Why)
		return e.certified("revoked", issued)
	}
	e.f.say("info", e.cfg.Name, certificateText(issued))
	return e.certified("certified", issued)
}

// certificate is what a census gives; nil when it is not of zero, or leaves a
// table out. f.mu is held.
func (a *action) certificate(c *plan.Census) *plan.Certificate {
	e, target := a.e, a.f.project.Schema
	switch {
	case !c.Full || c.Stopped != "" || c.Offenders > 0 || target == nil || c.Schema != target.Hash():
		return nil
	}
	out := &plan.Certificate{
		Env: e.cfg.Name, Deployment: a.place, Schema: c.Schema, Tables: map[string]int64{}, Started: c.Started.Round(0), Ended: c.At.Round(0),
		Tool: Tool, Active: e.hash, Pushed: e.pushedAt,
	}
	for _, t := range target.Tables {
		k, counted := c.Counts[t.Name]
		switch _, read := c.Tables[t.Name]; {
		case k.Offenders > 0:
			return nil
		case counted && k.Proved != "":
			out.Proved = append(out.Proved, t.Name)
		case counted && read:
			out.Tables[t.Name] = k.Read
		default:
			return nil
		}
	}
	slices.Sort(out.Proved)
	return out
}

// Tool is what certificates name as their maker: "strait 1.2.0". A program sets
// it before it opens a fleet.
var Tool = "strait"

// pushSeen revokes what was certified before a push: code that writes the old
// shape may be back. It stands where the schema that is active now lets no
// document in that the target refuses, and while Strait itself deploys the
// target, which is looked at when that is over. f.mu is held; record is for
// when it is free.
func (e *env) pushSeen() (record func()) {
	c := e.certificate
	none := func() {}
	if c == nil || !c.Revoked.IsZero() || !e.activeKnown || e.client == nil || c.Deployment != e.place {
		return none
	}
	pushed, schema := c.Pushed != e.pushedAt && e.pushedAt != 0, c.Active != e.hash
	if !pushed && !schema {
		return none
	}
	if e.deploying || e.enforcesAll() {
		return none
	}
	why := "code was pushed since the count"
	if schema {
		why = "another schema was pushed since the count"
	}
	return e.withdraw(why+": what writes there now may write the old shape", e.f.now().Round(0))
}

// enforcesAll reports whether the active schema alone keeps out all that the
// target refuses. f.mu is held.
func (e *env) enforcesAll() bool {
	cmp, target := e.compared(), e.f.project.Schema
	return cmp != nil && target != nil && !slices.ContainsFunc(target.Tables, func(t *schema.Table) bool { return !cmp.Enforced(t.Name) })
}

// targetHas reports whether a table is one of the target's. f.mu is held.
func (e *env) targetHas(table string) bool { return e.f.project.Schema.Table(table) != nil }

// restore takes up the certificate that an earlier process recorded for the
// deployment that answers now. An embedded one is built anew each time, so
// nothing is known of it. f.mu is held.
func (e *env) restore(url string) {
	if e.embedded || e.certificate != nil && e.certificate.Deployment == e.place {
		return
	}
	e.certificate = e.f.certificates[certificateKey(e.place, url)]
	if c := e.certificate; c != nil && c.Revoked.IsZero() {
		e.doubt = recheckDoubt
	}
}

// recheckDoubt is said of a certificate while it is not yet looked at again.
const recheckDoubt = "the certificate is of before this connection, and is being checked again"

// recallCertificate takes a line of the journal that tells of a certificate. f.mu is
// held.
func (f *Fleet) recallCertificate(x entry) {
	c := x.Certificate
	if c == nil || c.Deployment == "" || f.project.Schema == nil || c.Schema != f.project.Schema.Hash() {
		return
	}
	key := certificateKey(c.Deployment, x.URL)
	switch old := f.certificates[key]; {
	case x.Phase == "certified" && (old == nil || c.Ended.After(old.Ended)): // one line twice takes nothing back
		f.certificates[key] = c
	case x.Phase == "revoked" && old != nil && old.Ended.Equal(c.Ended):
		f.certificates[key] = c
	}
}

// certificateKey tells deployments apart: many that are hosted by oneself have
// the same name.
func certificateKey(deployment, url string) string { return deployment + " " + url }

// freshFor is how long a certificate holds here.
func (f *Fleet) freshFor() time.Duration {
	return cmp.Or(f.project.Config.Census.FreshFor(), plan.CertifiedFor)
}

// current is the newest census of the root; what was written since does not
// make it stale when the watch for old-shape writers has looked at it. f.mu is
// held.
func (e *env) current() *plan.Census {
	c := e.census
	if c == nil || !c.Stale || e.client == nil || e.writers == nil || !e.writers.Checked.After(e.staleAt) {
		return c
	}
	looked := *c
	looked.Stale = false
	return &looked
}

// certificateText is a certificate in one line, for a message.
func certificateText(c *plan.Certificate) string {
	var read int64
	for _, n := range c.Tables {
		read += n
	}
	text := fmt.Sprintf("certified: every document fits the target; %s read", thousands(read))
	if n := len(c.Proved); n > 0 {
		text += fmt.Sprintf(", %d tables proved without reading", n)
	}
	return text
}
