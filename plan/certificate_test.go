package plan

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"strait/model/schema"
)

// certified is evidence of an earlier process's certificate.
func certified(ev Evidence, hash string) Evidence {
	ev.Certificate = &Certificate{
		Env: ev.Env, Deployment: "d", Schema: hash, Tables: map[string]int64{"users": 100}, Started: noon.Add(-3 * time.Hour), Ended: noon.Add(-2 * time.Hour),
	}
	return ev
}

// What a certificate is worth: one line each for all that ends it.
func TestWhatACertificateIsWorth(t *testing.T) {
	target := newUsers()
	widened := schema.WidenSchemas(oldUsers(), target)
	for title, c := range map[string]struct {
		spoil func(*Evidence)
		code  string // of narrow's refusal; "" it holds
		text  string // of the migrate step
	}{
		"it holds":                     {func(*Evidence) {}, "", "certified: no document misfits; 100 documents read, counted 2h ago; nobody watches"},
		"it is older than a day":       {func(ev *Evidence) { ev.Certificate.Ended = noon.Add(-25 * time.Hour) }, "census-stale", "older than 24 h"},
		"its time is set":              {func(ev *Evidence) { ev.FreshFor = time.Hour }, "census-stale", "older than 1 h"},
		"of another target":            {func(ev *Evidence) { ev.Certificate.Schema = "another" }, "census-stale", "another target"},
		"revoked":                      {func(ev *Evidence) { ev.Certificate.Revoked, ev.Certificate.Why = noon, "code was pushed" }, "census-stale", "revoked just now: code was pushed"},
		"a table is not in it":         {func(ev *Evidence) { ev.Certificate.Tables = nil }, "census-stale", "says nothing of users"},
		"proved without reading":       {func(ev *Evidence) { ev.Certificate.Tables, ev.Certificate.Proved = nil, []string{"users"} }, "", "0 documents read"},
		"not looked at again":          {func(ev *Evidence) { ev.Doubt = "it is being checked again" }, "census-stale", "being checked again"},
		"dated later than now":         {func(ev *Evidence) { ev.Certificate.Ended = noon.Add(time.Hour) }, "census-stale", "a clock is wrong"},
		"written since, nobody looked": {func(ev *Evidence) { ev.Written = noon.Add(-time.Minute) }, "census-stale", "nobody looked"},
		"written since, looked at": {func(ev *Evidence) {
			ev.Written, ev.Writers = noon.Add(-time.Hour), &Writers{Checked: noon.Add(-time.Minute), How: "changes"}
		}, "", "every write since is looked at, last 1m ago"},
		"written since, looked at before": {func(ev *Evidence) {
			ev.Written, ev.Writers = noon.Add(-time.Minute), &Writers{Checked: noon.Add(-time.Hour), How: "changes"}
		}, "census-stale", "written since those that were looked at"},
		"written since, being read again": {func(ev *Evidence) {
			ev.Written, ev.Writers = noon.Add(-time.Minute), &Writers{Checked: noon.Add(-3 * time.Hour), How: "recount"}
		}, "", "changed ones only when they are counted again, last 3h ago"},
		"written since, read again before it": {func(ev *Evidence) {
			ev.Written, ev.Writers = noon.Add(-time.Minute), &Writers{Checked: noon.Add(-4 * time.Hour), How: "recount"}
		}, "census-stale", "written since those that were looked at"},
		"migrated since, being read again": {func(ev *Evidence) {
			ev.Written, ev.Writers = noon.Add(-time.Minute), &Writers{Checked: noon.Add(-3 * time.Hour), How: "recount"}
			ev.Progress["migrations:setRole"] = Progress{Deployed: true, State: "success", Ended: noon.Add(-2 * time.Minute)}
		}, "census-stale", "written since those that were looked at"},
		"being read again for longer than it holds": {func(ev *Evidence) {
			ev.Certificate.Started, ev.Certificate.Ended = noon.Add(-26*time.Hour), noon.Add(-25*time.Hour)
			ev.Written, ev.Writers = noon.Add(-time.Minute), &Writers{Checked: noon.Add(-26 * time.Hour), How: "recount"}
		}, "census-stale", "older than 24 h"},
		"written while it was counted, looked at before": {func(ev *Evidence) {
			ev.Certificate.Started, ev.Certificate.Ended = noon.Add(-2*time.Minute), noon.Add(-time.Minute)
			ev.Written, ev.Writers = noon.Add(-time.Minute), &Writers{Checked: noon.Add(-3 * time.Minute), How: "changes"}
		}, "census-stale", "written since those that were looked at"},
		"an old-shape writer": {func(ev *Evidence) {
			ev.Writers = &Writers{Checked: noon, Offenders: map[string]int64{"users": 3}, First: noon.Add(-time.Minute)}
		}, "old-shape-writer", "some code still writes the old shape: 3 documents in users, the first 1m ago"},
		"a later census found offenders": {func(ev *Evidence) { ev.Census = census(target, 2) }, "offenders", "2 documents misfit"},
		"a later sample found offenders": {func(ev *Evidence) { ev.Census = sampled(census(target, 2)) }, "census-stale", "not full"},
		"a later sample found none":      {func(ev *Evidence) { ev.Census = sampled(census(target, 0)) }, "", "certified"},
		"a census of before it was revoked": {func(ev *Evidence) {
			ev.Census = census(target, 0)
			ev.Certificate.Revoked, ev.Certificate.Why = noon, "code was pushed"
		}, "census-stale", "code was pushed"},
		"a census of after it was revoked": {func(ev *Evidence) {
			ev.Census = census(target, 0)
			ev.Certificate.Revoked = noon.Add(-time.Hour)
		}, "", "no document misfits"},
	} {
		ev := certified(evidence("e", widened), target.Hash())
		c.spoil(&ev)
		refused, _ := Gate(Ask{Action: ActNarrow, Env: ev, Target: target, Definitions: userDefs})
		if codes(refused) != c.code {
			t.Errorf("%s: narrow is refused for %q, want %q", title, codes(refused), c.code)
		}
		in := Input{Target: target, Definitions: userDefs, Envs: []Evidence{ev}}
		if m := GateMerge(in); m.Allowed != (c.code == "") {
			t.Errorf("%s: the merge: %+v", title, m)
		}
		st := Make(in).Envs[0].Migrate
		if (st.State == Done) != (c.code == "") || !strings.Contains(st.Why+"|"+st.Evidence, c.text) {
			t.Errorf("%s: migrate is %+v, want %q", title, st, c.text)
		}
		// It is also what the environment after it may rest on.
		next := evidence("prod", widened)
		next.Protected, next.Armed, next.Embedded = true, true, true
		next.DryRuns["migrations:setRole"] = noon
		run := Ask{Action: ActRun, Migration: "migrations:setRole", Env: next, Before: []Evidence{ev}, Target: target, Definitions: userDefs}
		if refused, _ := Gate(run); (codes(refused) == "") != (c.code == "") {
			t.Errorf("%s: the run after it: %q", title, codes(refused))
		}
	}
}

// Where changed documents are found only by reading a table again, a table that
// is written to without pause is never read fast enough. That shuts no gate for
// ever; it is said, since Convex checks every document at the push.
func TestChangesThatOnlyARecountSees(t *testing.T) {
	target := newUsers()
	for title, c := range map[string]struct {
		how     string
		checked time.Duration // before now
		warned  bool
		refused string
	}{
		"far behind":          {"recount", time.Hour, true, ""},
		"close":               {"recount", time.Minute, false, ""},
		"stopped, by changes": {"changes", time.Hour, false, "census-stale"},
		"stopped, by shapes":  {"shapes", time.Hour, false, "census-stale"},
	} {
		ev := certified(evidence("e", schema.WidenSchemas(oldUsers(), target)), target.Hash())
		ev.Written, ev.Writers = noon, &Writers{Checked: noon.Add(-c.checked), How: c.how}
		refused, warned := Gate(Ask{Action: ActNarrow, Env: ev, Target: target, Definitions: userDefs})
		if codes(refused) != c.refused {
			t.Errorf("%s: refused for %q, want %q", title, codes(refused), c.refused)
		}
		i := slices.IndexFunc(warned, func(r Refusal) bool { return r.Code == "changes-unseen" })
		if (i >= 0) != c.warned {
			t.Errorf("%s: warnings %+v", title, warned)
		}
		const says = "changed documents are seen only when their table is read again"
		if i >= 0 && (!strings.Contains(warned[i].Why, says) || !strings.Contains(warned[i].Why, "Convex checks all of them at the push")) {
			t.Errorf("%s: %q", title, warned[i].Why)
		}
	}
}

// Whatever else is known, no certificate that is revoked, old, of another
// target or in doubt lets narrow through by itself.
func TestNoSpoiledCertificateOpensTheGate(t *testing.T) {
	target := newUsers()
	widened := schema.WidenSchemas(oldUsers(), target)
	rapid.Check(t, func(t *rapid.T) {
		ev := certified(evidence("e", widened), target.Hash())
		if rapid.Bool().Draw(t, "watched") {
			ev.Writers = &Writers{Checked: noon.Add(-time.Duration(rapid.IntRange(0, 120).Draw(t, "checked")) * time.Minute)}
		}
		if rapid.Bool().Draw(t, "sampled") {
			ev.Census = sampled(census(target, 0))
		}
		switch rapid.IntRange(0, 4).Draw(t, "spoiled") {
		case 0:
			ev.Certificate.Revoked = noon.Add(-time.Duration(rapid.IntRange(0, 60).Draw(t, "revoked")) * time.Minute)
		case 1:
			ev.Certificate.Ended = noon.Add(-CertifiedFor - time.Duration(rapid.IntRange(1, 1000).Draw(t, "older"))*time.Second)
		case 2:
			ev.Certificate.Schema = "another"
		case 3:
			ev.Doubt = "in doubt"
		case 4:
			ev.Writers = &Writers{Checked: noon, Offenders: map[string]int64{"users": rapid.Int64Range(1, 9).Draw(t, "old")}}
		}
		if refused, _ := Gate(Ask{Action: ActNarrow, Env: ev, Target: target, Definitions: userDefs}); len(refused) == 0 {
			t.Fatalf("narrow is let through: %+v", ev)
		}
	})
}
