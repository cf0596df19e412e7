package ui

import (
	"time"

	"strait/convex/fleet"
	"strait/model/value"
	"strait/plan"
)

// dressReports puts proofs, rehearsals and backups into a scene.
func dressReports(s *fleet.Snapshot, name string, now time.Time) {
	e := &s.Envs[1]
	switch name {
	case "proof", "proving":
		s.Proofs = sceneProofs(now)
		if name == "proving" {
			s.Proofs = nil
			s.ProofRun = &fleet.ProofRun{Started: now.Add(-7 * time.Second), Row: "orders.price changes type", Rows: 2, Of: 6, Documents: 5204}
		}
	case "rehearsal":
		e.Rehearsal = sceneRehearsal(now)
	case "rehearsal-well":
		e.Rehearsal = sceneRehearsal(now)
		e.Rehearsal.Narrow, e.Rehearsal.Whole = "", true
		e.Rehearsal.Documents = e.Documents
		e.Rehearsal.Census = &plan.Census{Full: true, Read: e.Documents}
		for i := range e.Rehearsal.Migrations {
			r := &e.Rehearsal.Migrations[i]
			r.State, r.Failed, r.Failures = "success", 0, nil
		}
	case "rehearsing":
		e.Rehearsing = &fleet.RehearsalRun{Started: now.Add(-21 * time.Second), Stage: "migrations:splitProfile", Migration: "migrations:splitProfile", Done: 8200, Of: 20000}
	case "backup":
		e.Embedded, e.URL = false, "https://calm-otter-812.convex.cloud"
		e.Facts = sceneFacts(now)
		e.Backup = &plan.Backup{Env: e.Name, Deployment: e.Deployment, File: ".strait/backups/calm-otter-812-20260312-0918.zip", Of: now.Add(-50 * time.Hour), At: now.Add(-50*time.Hour + 3*time.Minute), Bytes: 48_300_000, Documents: 39_120}
	case "backing":
		e.Embedded, e.URL = false, "https://calm-otter-812.convex.cloud"
		e.Facts = sceneFacts(now)
		e.BackupRun = &fleet.BackupRun{Started: now.Add(-40 * time.Second), Stage: "downloading", Bytes: 21_000_000, Size: 48_300_000}
	}
}

func sceneProofs(now time.Time) []plan.Proof {
	at := now.Add(-3 * time.Minute)
	held := func(title, table, path, mig string, sampled int) plan.Proof {
		return plan.Proof{Title: title, Table: table, Path: path, Migrations: []string{"migrations:" + mig}, Verdict: plan.Held, Seed: 1, Documents: 2000, Sampled: sampled, At: at, Took: 2100 * time.Millisecond}
	}
	price := held("orders.price changes type", "orders", "orders.price", "priceToString", 120)
	price.Verdict, price.Documents, price.Took = plan.Refuted, 214, 380*time.Millisecond
	price.Counter = &plan.Counterexample{Kind: "throws", Thrown: true, Dangling: []string{"customer"}, Migration: "migrations:priceToString", Before: object("_id", "j97c3t5e1r8q2w4", "customer", "k57a2m9d0f3h6j8", "price", ""),
		Violation: "Uncaught Error: price \"\" is not a number", Frame: "convex/migrations.ts:71"}
	paid := held("orders.paid changes type", "orders", "orders.paid", "statusToEnum", 120)
	paid.Verdict, paid.Documents = plan.Refuted, 31
	paid.Counter = &plan.Counterexample{Kind: "misfit", Migration: "migrations:statusToEnum", Real: true,
		Before: object("customer", "k57a2m9d0f3h6j8", "lines", value.Array{object("sku", "A-1", "state", object("code", 3.0)), object("sku", "A-2", "state", object("code", 0.0))}, "paid", true),
		After:  object("customer", "k57a2m9d0f3h6j8", "lines", value.Array{object("sku", "A-1", "state", "shipped"), object("sku", "A-2", "state", object("code", 0.0))}, "paid", "paid"),
		Place:  ".lines[1].state", Violation: "Value does not match validator.\nPath: .lines[1].state\nValue: {code: 0.0}\nValidator: v.union(v.literal(\"open\"), v.literal(\"shipped\"))", Frame: "convex/migrations.ts:52"}
	profile := held("users.profile is removed", "users", "users.profile", "splitProfile", 0)
	profile.Verdict, profile.Documents = plan.Refuted, 3
	profile.Counter = &plan.Counterexample{Kind: "not-idempotent", Migration: "migrations:splitProfile", Masked: true,
		Before: object("name", "aaa", "visits", 1.0), After: object("name", "aaa", "visits", 2.0), Again: object("name", "aaa", "visits", 3.0),
		Violation: "a second run changes what the first one has left", Frame: "convex/migrations.ts:31"}
	notes := held("orders.notes is removed", "orders", "orders.notes", "dropLegacyNotes", 120)
	notes.Verdict, notes.Why, notes.Documents = plan.Unproven, "dropLegacyNotes calls an action, which prove cannot run", 0
	model := plan.Proof{Title: "embeddings.model changes type", Table: "embeddings", Path: "embeddings.model", Verdict: plan.Uncovered, Seed: 1, At: at}
	return []plan.Proof{model, notes, price, paid, held("users.plan becomes required", "users", "users.plan", "setDefaultPlan", 120), profile}
}

func sceneRehearsal(now time.Time) *plan.Rehearsal {
	room := func(reads int64) []plan.Headroom {
		out := []plan.Headroom{{Limit: "bytes read", Used: reads, Max: 16 << 20}, {Limit: "documents read", Used: 401, Max: 32000}, {Limit: "bytes written", Used: 130_000, Max: 16 << 20},
			{Limit: "documents written", Used: 101, Max: 16000}, {Limit: "index ranges read", Used: 3, Max: 4096}, {Limit: "functions scheduled", Used: 0, Max: 1000}}
		for i := range out {
			out[i].Share = float64(out[i].Used) / float64(out[i].Max)
		}
		return out
	}
	spend := plan.Spend{Calls: 201, ReadBytes: 212 << 20, WrittenBytes: 26 << 20, Time: 24 * time.Second, Why: "120 ms a batch, as the last 84 batches in staging took"}
	run := func(name, table string, n int64, reads int64) plan.RehearsedRun {
		return plan.RehearsedRun{Name: "migrations:" + name, Table: table, State: "success", Documents: n, Changed: n - 40, Unchanged: 40, Batches: n/100 + 1, BatchSize: 100, Took: 800 * time.Millisecond, Headroom: room(reads), Recommended: 500, Estimate: spend}
	}
	price := run("priceToString", "orders", 4000, 9_100_000)
	price.State, price.Changed, price.Failed, price.Recommended = "failed", 3958, 2, 75
	price.Failures = []plan.RehearsedFailure{
		{Document: "j97c3t5e1r8q2w4", Summary: "price \"12,50 €\" is not a number", Frame: "convex/migrations.ts:71", Body: object("_id", "j97c3t5e1r8q2w4", "customer", "k57a2m9d0f3h6j8", "paid", true, "price", "12,50 €")},
		{Document: "j97d0a1b2c3d4e5", Summary: "price \"\" is not a number", Frame: "convex/migrations.ts:71", Body: object("_id", "j97d0a1b2c3d4e5", "customer", "k57b8s3x9c2v5b1", "paid", false, "price", "")}}
	last := run("movePreferences", "preferences", 2000, 400_000)
	last.Deleted, last.Changed, last.Unchanged = 1900, 100, 0
	last.Elsewhere = []plan.Written{{Table: "users", Changed: 1900}}
	return &plan.Rehearsal{Env: "staging", Deployment: "calm-otter-812", Source: "4,000 documents a table", Documents: 12000, At: now.Add(-8 * time.Minute), Took: 6200 * time.Millisecond,
		Migrations: []plan.RehearsedRun{run("setDefaultPlan", "users", 4000, 1_900_000), run("splitProfile", "users", 4000, 2_000_000), run("statusToEnum", "orders", 4000, 1_100_000), price, last},
		Census:     &plan.Census{Full: true, Read: 12000, Offenders: 2, Groups: []plan.Group{{Table: "orders", Path: "orders.price", Reason: "type", Count: 2, Samples: []plan.Sample{{ID: "j97c3t5e1r8q2w4", Place: ".price", Message: "Value does not match validator.\nPath: .price\nValue: 12.5\nValidator: v.string()"}}}}},
		Skipped:    []plan.Skipped{{Name: "migrations:dropLegacyNotes", Why: "it is done in staging"}},
		Notes:      []string{"4,000 documents a table were read: what the others hold is not rehearsed"},
		Narrow:     "Document with ID \"j97c3t5e1r8q2w4\" in table \"orders\" does not match the schema: Value does not match validator.\nPath: .price\nValue: 12.5\nValidator: v.string()"}
}

// sceneJournal is a journal of some days.
func sceneJournal(now time.Time) fleet.Journal {
	var out []fleet.Entry
	add := func(ago time.Duration, e fleet.Entry) {
		e.At = now.Add(-ago)
		out = append(out, e)
	}
	pair := func(id string, ago, took time.Duration, outcome string, e fleet.Entry, answer func(*fleet.Entry)) {
		e.ID, e.Phase = id, "asked"
		add(ago, e)
		e.Phase, e.Outcome = "answered", outcome
		if answer != nil {
			answer(&e)
		}
		add(ago-took, e)
	}
	two := int64(2)
	pair("a", 49*time.Hour, 300*time.Millisecond, "ok", fleet.Entry{Action: "dry-run", Env: "staging", Migration: "migrations:setDefaultPlan", By: "screen"}, func(e *fleet.Entry) { e.Processed = 100 })
	pair("b", 48*time.Hour, 14*time.Second, "failed", fleet.Entry{Action: "run", Env: "staging", Migration: "migrations:priceToString", By: "cli"}, func(e *fleet.Entry) {
		e.Error = "Error of the function; its text is not recorded at convex/migrations.ts:71"
	})
	pair("c", 26*time.Hour, 30*time.Second, "ok", fleet.Entry{Action: "run", Env: "prod", Migration: "migrations:setDefaultPlan", By: "screen", Typed: true, Override: "staging was signed off by hand"}, func(e *fleet.Entry) { e.Processed = 20000 })
	pair("d", 3*time.Hour, 6*time.Second, "ok", fleet.Entry{Action: "census", Env: "staging", By: "screen"}, func(e *fleet.Entry) { e.Offenders = &two })
	yes, n := true, 200
	add(2*time.Hour, fleet.Entry{ID: "e", Phase: "tuned", Action: "run", Env: "staging", Migration: "migrations:splitProfile", By: "screen", Paused: &yes, Batch: &n})
	pair("f", 90*time.Minute, time.Second, "unknown", fleet.Entry{Action: "cancel", Env: "staging", Migration: "migrations:splitProfile", By: "screen"}, nil)
	add(time.Hour, fleet.Entry{ID: "g", Phase: "certified", Env: "dev", Certificate: &plan.Certificate{Env: "dev", Schema: "4c1d09be77aa", Tables: map[string]int64{"users": 2000, "orders": 2000}, Tool: "strait 1.2.0"}})
	add(40*time.Minute, fleet.Entry{ID: "h", Phase: "revoked", Env: "dev", Certificate: &plan.Certificate{Env: "dev", Why: "3 documents of the old shape were written since, in users"}})
	pair("j", 30*time.Minute, 3*time.Second, "ok", fleet.Entry{Action: "prove", Env: "staging", By: "cli"}, func(e *fleet.Entry) {
		e.Processed, e.Seed, e.Verdicts = 16214, 7, map[string]plan.Verdict{"orders.price changes type": plan.Refuted, "users.plan becomes required": plan.Held}
	})
	pair("k", 20*time.Minute, 50*time.Second, "ok", fleet.Entry{Action: "backup", Env: "prod", By: "screen"}, func(e *fleet.Entry) {
		e.Processed, e.Backup = 412000, &plan.Backup{File: ".strait/backups/prod-happy-fox-123-2026-03-14T114000Z.zip", Bytes: 480_300_000}
	})
	add(2*time.Minute, fleet.Entry{ID: "i", Phase: "asked", Action: "backup", Env: "prod", By: "screen"})
	return fleet.Journal{Entries: out, Size: 1}
}
