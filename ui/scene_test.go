package ui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/model/value"
	"strait/plan"
)

// TestMain shows a scene on the real terminal when STRAIT_SCENE names one, so
// that its picture can be taken; else it runs the tests.
func TestMain(t *testing.M) {
	if name := os.Getenv("STRAIT_SCENE"); name != "" {
		err := runScreen(deps{ctx: context.Background(), engine: newFake(scene(name)), now: time.Now, dark: startDark(os.Environ()), ascii: needsASCII(), verb: "strait"})
		fmt.Println("ended:", err)
		os.Exit(exitCode(err))
	}
	code := t.Run()
	if builtIn != "" {
		os.RemoveAll(builtIn)
	}
	os.Exit(code)
}

var noon = time.Date(2026, 3, 14, 12, 0, 0, 0, time.UTC)

// fake is an engine that holds one snapshot and remembers what it was asked.
type fake struct {
	mu    sync.Mutex
	snap  *fleet.Snapshot
	next  chan *fleet.Snapshot
	did   []fleet.Command
	tuned []fleet.Tuning

	disarmed []string
	readOnly bool // what is protected wants its name typed for a tuning
	shown    [][]string
	err      error

	refusals, warnings []plan.Refusal
	review             plan.Review
	cost               *fleet.CensusCost // nil: not known
	journal            fleet.Journal
}

func newFake(s *fleet.Snapshot) *fake {
	f := &fake{snap: s, next: make(chan *fleet.Snapshot, 1), review: sceneReview()}
	if len(s.Envs) > 0 {
		f.journal = sceneJournal(s.At)
	}
	return f
}

func (f *fake) Snapshot() *fleet.Snapshot {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snap
}

func (f *fake) Next(ctx context.Context, _ uint64) (*fleet.Snapshot, bool) {
	select {
	case s := <-f.next:
		return s, true
	case <-ctx.Done():
		return nil, false
	}
}

func (f *fake) Do(_ context.Context, cmd fleet.Command) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.did = append(f.did, cmd)
	return f.err
}

func (f *fake) Check(cmd fleet.Command) (refusals, warnings []plan.Refusal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.refusals, f.warnings
}

func (f *fake) Tune(env, migration string, t fleet.Tuning) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tuned = append(f.tuned, t)
	if f.readOnly && t.Typed != env {
		return &fleet.Refused{Env: env, Action: plan.ActRun, Reasons: []plan.Refusal{{Code: "protected", Why: env + " is protected and read-only again"}}}
	}
	return f.err
}

func (f *fake) Disarm(env, by string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.disarmed = append(f.disarmed, env)
	return f.err
}

func (f *fake) Show(envs ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.shown = append(f.shown, envs)
}

func (f *fake) CensusEstimate(context.Context, string, fleet.CensusOptions) (*fleet.CensusCost, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cost == nil {
		return nil, errors.New("not known")
	}
	return f.cost, nil
}

func (f *fake) Retry(env string) error { return fmt.Errorf("%s was asked to open again", env) }

func (f *fake) Review(context.Context) (plan.Plan, plan.Review, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.snap.Plan, f.review, f.err
}

func (f *fake) Journal(n int, have fleet.Journal) (fleet.Journal, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.journal, f.err
}

func (f *fake) asked() []fleet.Command {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]fleet.Command(nil), f.did...)
}

// scene is a fleet of three environments in a named situation.
func scene(name string) *fleet.Snapshot {
	now := noon
	if os.Getenv("STRAIT_SCENE") != "" {
		now = time.Now()
	}
	s := &fleet.Snapshot{Seq: 7, At: now}
	if name == "loading" {
		s.Loading = true
		return s
	}
	s.Project = fleet.ProjectInfo{Name: "harbor", Root: "/home/ada/harbor", Target: "convex/schema.ts", Packages: map[string]string{"convex": "1.48.0"}}
	if name == "broken" {
		s.Err = "convex/schema.ts:12: cannot find package \"zod\""
		return s
	}
	def := func(name, table string, batch, line int) {
		s.Project.Migrations = append(s.Project.Migrations, project.Migration{Name: "migrations:" + name, Table: table, Driver: project.ComponentDriver, BatchSize: batch, File: "convex/migrations.ts", Line: line, InSeries: []string{"migrations:runAll"}})
	}
	def("setDefaultPlan", "users", 100, 18)
	def("splitProfile", "users", 100, 31)
	def("statusToEnum", "orders", 200, 52)
	def("priceToString", "orders", 100, 66)
	def("dropLegacyNotes", "orders", 100, 80)
	def("movePreferences", "preferences", 50, 94)
	def("removeOrphans", "embeddings", 100, 120)
	s.Project.Migrations = append(s.Project.Migrations, project.Migration{Name: "migrations:runAll", Driver: project.ComponentDriver, Runner: true, Series: []string{"migrations:setDefaultPlan", "migrations:splitProfile"}, File: "convex/migrations.ts", Line: 140})
	at := now.Add(-2 * time.Minute)
	done := func(e string) plan.Step { return plan.Step{State: plan.Done, Evidence: e, At: now} }
	finished := plan.Cell{Widen: done("the active schema already enforces this"), Migrate: done("the active schema already enforces this"), Narrow: done("the active schema already enforces this")}
	todo := plan.Cell{
		Widen:   plan.Step{State: plan.Todo, Why: "the active schema refuses documents of the new shape", Evidence: "refused in users, orders", At: now, Next: "widen"},
		Migrate: plan.Step{State: plan.Blocked, Why: "the schema must be widened first", Next: "widen"},
		Narrow:  plan.Step{State: plan.Blocked, Why: "documents must fit first", Next: "census"},
	}
	half := func(st plan.State, ev string) plan.Cell {
		c := plan.Cell{
			Widen:   done("the active schema accepts the new shape"),
			Migrate: plan.Step{State: st, Evidence: ev, At: at, Next: "run migrations:setDefaultPlan"},
			Narrow:  plan.Step{State: plan.Blocked, Why: "documents must fit first", Next: "census"},
		}
		if st == plan.Done {
			c.Narrow = plan.Step{State: plan.Todo, At: at, Next: "narrow"}
		}
		return c
	}
	row := func(title, table, path, before, after string, cells [3]plan.Cell, migs ...string) {
		for i, m := range migs {
			migs[i] = "migrations:" + m
		}
		r := plan.Row{Title: title, Table: table, Path: path, Class: plan.Breaking, Migrations: migs, Cells: cells[:]}
		if before+after != "" {
			r.Changes = []plan.Change{{Table: table, Path: path, Class: plan.Breaking, Message: title, Before: before, After: after,
				Why: "documents written before the field existed have no value for it; Convex refuses the push while one is left"}}
		}
		s.Plan.Rows = append(s.Plan.Rows, r)
	}
	run := half(plan.Todo, "19,204 of 20,000 documents do not fit, counted 2m ago")
	row("embeddings.model changes type", "embeddings", "embeddings.model", "v.string()", `v.union(v.literal("small"), v.literal("large"))`, [3]plan.Cell{finished, run, todo}, "removeOrphans")
	row("orders.notes is removed", "orders", "orders.notes", "v.optional(v.string())", "", [3]plan.Cell{finished, half(plan.Done, "census of zero"), todo}, "dropLegacyNotes")
	row("orders.price changes type", "orders", "orders.price", "v.union(v.number(), v.string())", "v.string()", [3]plan.Cell{finished, half(plan.Failed, "stopped after 1,200 documents"), todo}, "priceToString")
	row("orders.paid changes type", "orders", "orders.paid", "v.boolean()", `v.union(v.literal("open"), v.literal("paid"), v.literal("refunded"))`, [3]plan.Cell{finished, run, todo}, "statusToEnum")
	row("users.plan becomes required", "users", "users.plan", "", `v.union(v.literal("free"), v.literal("pro"), v.literal("team"))`, [3]plan.Cell{finished, run, todo}, "setDefaultPlan")
	row("users.profile is removed", "users", "users.profile", "v.object({bio: v.string(), zip: v.union(v.number(), v.string())})", "", [3]plan.Cell{finished, run, todo}, "splitProfile")
	row("movePreferences", "preferences", "", "", "", [3]plan.Cell{finished, run, todo}, "movePreferences")
	env := func(name, dep string, embedded, protected bool, docs int64) fleet.EnvSnapshot {
		return fleet.EnvSnapshot{Name: name, Deployment: dep, Embedded: embedded, Protected: protected, State: fleet.Ready, Heard: now.Add(-time.Second),
			Documents: docs, Tables: map[string]int64{"users": docs / 2, "orders": docs / 4, "embeddings": docs / 8, "preferences": docs / 8}, Runs: map[string]fleet.Run{}, DryRun: map[string]*fleet.DryRun{}}
	}
	s.Envs = []fleet.EnvSnapshot{env("dev", "", true, false, 4000), env("staging", "calm-otter-812", true, false, 40000), env("prod", "happy-fox-123", false, true, 412000)}
	for i, e := range s.Envs {
		st := todo
		if i == 0 {
			st = finished
		}
		s.Plan.Envs = append(s.Plan.Envs, plan.EnvPlan{Env: e.Name, Widen: st.Widen, Migrate: st.Migrate, Narrow: st.Narrow, Changes: changesOf(s, i)})
	}
	s.Envs[0].Census = &plan.Census{At: at, Full: true, Read: 4000}
	for _, m := range s.Project.Migrations {
		s.Envs[0].Runs[m.Name] = fleet.Run{Migration: m.Name, State: "success", Processed: 2000, Total: 2000, Started: at.Add(-time.Minute), Ended: at}
	}
	s.Messages = []fleet.Message{{ID: 1, At: at, Level: "info", Env: "dev", Text: "ready: 4,000 documents in 5 tables"}}
	dress(s, name, now)
	return s
}

// changesOf are the changes an environment has before it: none in the first.
func changesOf(s *fleet.Snapshot, env int) []plan.Change {
	var out []plan.Change
	for _, r := range s.Plan.Rows {
		if env > 0 {
			out = append(out, r.Changes...)
		}
	}
	return out
}

// dress puts the scene's own events into staging.
func dress(s *fleet.Snapshot, name string, now time.Time) {
	e := &s.Envs[1]
	mig := "migrations:setDefaultPlan"
	ada := value.NewObject(
		value.Field{Name: "_id", Value: "k57a2m9d0f3h6j8"}, value.Field{Name: "_creationTime", Value: 1.7e12},
		value.Field{Name: "name", Value: "Ada Lovelace"}, value.Field{Name: "email", Value: "ada@example.com"},
		value.Field{Name: "profile", Value: value.NewObject(value.Field{Name: "bio", Value: "Wrote the first program."}, value.Field{Name: "zip", Value: 1815.0})},
		value.Field{Name: "tags", Value: value.Array{"math", "poetry"}})
	fail := &fleet.Failure{Text: "Uncaught Error: price \"12,50 €\" is not a number\n    at migrateOne (../convex/migrations.ts:71:13)\n    at async handler (../node_modules/@convex-dev/migrations/src/client/index.ts:402:9)",
		Summary: "price \"12,50 €\" is not a number", Table: "orders", Document: "j97c3t5e1r8q2w4", Frame: "convex/migrations.ts:71",
		Body: value.NewObject(value.Field{Name: "_id", Value: "j97c3t5e1r8q2w4"}, value.Field{Name: "_creationTime", Value: 1.71e12}, value.Field{Name: "customer", Value: "k57a2m9d0f3h6j8"}, value.Field{Name: "price", Value: "12,50 €"}, value.Field{Name: "paid", Value: true})}
	e.Runs["migrations:priceToString"] = fleet.Run{Migration: "migrations:priceToString", State: "failed", Processed: 1200, Total: 10000, BatchCount: 12, Started: now.Add(-95 * time.Second), Ended: now.Add(-80 * time.Second), Failure: fail,
		Batches: batchesUntil(now.Add(-80*time.Second), 12), Log: []fleet.LogEntry{{At: now.Add(-80 * time.Second), Level: "error", Text: fail.Summary}}}
	e.Runs["migrations:dropLegacyNotes"] = fleet.Run{Migration: "migrations:dropLegacyNotes", State: "success", Processed: 10000, Total: 10000, Started: now.Add(-5 * time.Minute), Ended: now.Add(-4 * time.Minute)}
	e.Census = &plan.Census{At: now.Add(-2 * time.Minute), Full: true, Read: 40000, Offenders: 19204, Groups: []plan.Group{
		{Table: "orders", Path: "orders.price", Reason: "type", Count: 4204, Samples: []plan.Sample{{ID: "j97c3t5e1r8q2w4", Message: "Value does not match validator.\nPath: .price\nValue: 12.5\nValidator: v.string()"}}},
		{Table: "users", Path: "users.plan", Reason: "missing", Count: 15000, Samples: []plan.Sample{{ID: "k57a2m9d0f3h6j8", Message: "Object is missing the required field `plan`."}, {ID: "k57b8s3x9c2v5b1", Message: "Object is missing the required field `plan`."}}}}}
	dressReports(s, name, now)
	switch name {
	case "running":
		e.Runs[mig] = fleet.Run{Migration: mig, State: "inProgress", Mine: true, Processed: 8437, Total: 20000, BatchSize: 100, BatchCount: 84, Batches: batchesUntil(now, 84),
			Rate: 823, ETA: 14 * time.Second, Started: now.Add(-11 * time.Second), Heard: now, Series: []string{"migrations:splitProfile"},
			Log: []fleet.LogEntry{{At: now, Level: "info", Text: "starting at the first document"}, {At: now, Level: "info", Text: "batch of 100 committed"}}}
		for i := range s.Plan.Rows {
			if s.Plan.Rows[i].Path == "users.plan" {
				s.Plan.Rows[i].Cells[1].Migrate = plan.Step{State: plan.Running, Evidence: "setDefaultPlan: 8,437 processed", At: now, Next: "cancel"}
			}
		}
	case "supervised", "paused":
		e.Embedded = false
		r := fleet.Run{Migration: mig, State: "inProgress", Mine: true, Processed: 8437, Total: 20000, BatchSize: 100, BatchCount: 84, Batches: costly(batchesUntil(now, 84)),
			Rate: 823, ETA: 14 * time.Second, Started: now.Add(-11 * time.Second), Heard: now, Component: "migrations",
			Control: &fleet.Control{Steps: -1, Batch: 200, Throttle: 250 * time.Millisecond, InBatch: true}, Log: sceneLog(now, 60)}
		if name == "paused" {
			r.Control = &fleet.Control{Paused: true, Steps: 0, Throttle: time.Second}
			r.Rate, r.ETA = 0, 0
		}
		e.Runs[mig] = r
	case "elsewhere":
		e.Embedded = false
		e.Runs[mig] = fleet.Run{Migration: mig, State: "inProgress", Processed: 8437, Total: 20000, BatchSize: 100, BatchCount: 12, Batches: costly(batchesUntil(now, 12)),
			Rate: 823, Started: now.Add(-11 * time.Second), Heard: now, Log: sceneLog(now, 3)}
		e.Facts = sceneFacts(now)
		e.Facts.Access = &fleet.Access{ReadOnly: true}
	case "facts":
		e.Embedded, e.URL, e.SchemaHash = false, "https://calm-otter-812.convex.cloud", "4c1d09be77aa"
		e.Facts = sceneFacts(now)
	case "lost":
		e.Embedded, e.State, e.Err, e.Heard = false, fleet.Lost, "connection lost: read tcp: connection reset by peer", now.Add(-42*time.Second)
		e.Facts = sceneFacts(now)
		e.Facts.Connects, e.Facts.Retries, e.Facts.RetryAt = 3, 4, now.Add(7*time.Second)
		e.Facts.Logs = fleet.LogFeed{State: "failing", Err: "no answer", Gaps: 1}
	case "checking", "refused":
		e.Embedded = false
		e.Facts = sceneFacts(now)
		e.Deploy = &fleet.DeployRun{Action: plan.ActNarrow, Command: "npx convex deploy --cmd 'npm run build'", Started: now.Add(-12 * time.Second)}
		for _, line := range []string{"Running 'npm run build'...", "vite v5.4 building for production...", "✓ 118 modules transformed.", "Ran \"npm run build\" with environment variable \"VITE_CONVEX_URL\" set", "Checking that documents match your schema..."} {
			e.Deploy.Output = append(e.Deploy.Output, fleet.LogEntry{At: now, Level: "info", Text: line})
		}
		e.Validation = &fleet.Validation{Checked: 16800, Total: 40000, Since: now.Add(-4 * time.Second)}
		if name == "refused" {
			e.Deploy.Ended, e.Deploy.Err = now.Add(-2*time.Second), "npx convex deploy ended with exit status 1"
			e.Deploy.Output = append(e.Deploy.Output, fleet.LogEntry{At: now, Level: "error", Text: "✖ Schema validation failed."})
			e.Deploy.Output = append(e.Deploy.Output, fleet.LogEntry{At: now, Level: "error", Text: "Document with ID \"k57a2m9d0f3h6j8\" in table \"users\" does not match the schema: Object is missing the required field `plan`."})
			e.Validation.Err = "it was refused, or another push took its place; whoever pushed it was told why"
		}
	case "dryrun":
		e.DryRun[mig] = &fleet.DryRun{Migration: mig, At: now.Add(-9 * time.Second), Took: 140 * time.Millisecond, Processed: 100, More: true, Examples: []fleet.Example{
			{ID: "k57a2m9d0f3h6j8", Before: ada, After: ada.With("plan", "free").With("profile", value.NewObject(value.Field{Name: "bio", Value: "Wrote the first program."}, value.Field{Name: "zip", Value: "1815"}))},
			{ID: "k57b8s3x9c2v5b1", Before: ada.Without("tags"), After: ada.Without("tags").With("plan", "pro")},
			{ID: "k57c0p4l7m6n2b8", Before: ada}}}
	case "opening":
		e.State, e.Opening = fleet.Opening, "generating 40,000 documents"
		s.Envs[2].State, s.Envs[2].Err = fleet.Broken, "no admin key: STRAIT_PROD_KEY is not set"
	case "census":
		e.CensusRun = &fleet.CensusRun{Started: now.Add(-3 * time.Second), Read: 12000, Total: 40000, Bytes: 7 << 20, Table: "orders", Found: 204, Page: 1024, ETA: 7 * time.Second, Budget: fleet.CensusBudget{Documents: 100000}}
	}
	dressCensus(s, name, now)
}

// sceneFacts is what a deployment tells of itself.
func sceneFacts(now time.Time) fleet.Facts {
	return fleet.Facts{Version: "precompiled-2026-03-01-7a9f", Access: &fleet.Access{}, Components: []string{"billing", "billing/migrations", "migrations"},
		Migrations: []fleet.ComponentFact{{Path: "billing/migrations", Version: "0.2.x"}, {Path: "migrations", Version: "0.3.3 or newer"}},
		Functions:  42, LastPush: now.Add(-3 * time.Hour), Connects: 1, Connected: now.Add(-26 * time.Minute), Logs: fleet.LogFeed{State: "following"},
		Traffic: fleet.Traffic{Read: 3 << 20, Written: 41000, ReadPerMinute: 4200, WritePerMinute: 310},
		Ages:    fleet.Ages{Schema: now.Add(-3 * time.Hour), Tables: now.Add(-2 * time.Second), Statuses: now.Add(-4 * time.Second), Functions: now.Add(-3 * time.Hour), Push: now.Add(-3 * time.Hour), Logs: now.Add(-time.Second)}}
}

// costly gives batches what the function log tells of them.
func costly(batches []fleet.Batch) []fleet.Batch {
	for i := range batches {
		batches[i].Usage = &fleet.Usage{Execution: time.Duration(60+3*(i%7)) * time.Millisecond, ReadDocuments: 202, WrittenDocuments: 101,
			ReadBytes: 1_900_000 + int64(i)*1000, WrittenBytes: 240_000, Conflicts: i % 40 / 39}
	}
	return batches
}

func sceneLog(now time.Time, n int) []fleet.LogEntry {
	out := []fleet.LogEntry{{At: now.Add(-time.Minute), Level: "info", Text: "starting at the first document"}}
	for i := range n {
		e := fleet.LogEntry{At: now.Add(time.Duration(i-n) * time.Second), Level: "log", Text: fmt.Sprintf("batch %d: moved 100 profiles", i+1)}
		switch i % 9 {
		case 3:
			e.Level, e.Text = "debug", fmt.Sprintf("cursor [%d,\"k57a2m9d0f3h6j8\"]", i)
		case 7:
			e.Level, e.Text = "warn", "Many bytes read in a single function execution (actual: 13500000, limit: 16777216). Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions."
		}
		out = append(out, e)
	}
	return append(out, fleet.LogEntry{At: now, Level: "error", Text: "Document failed: k57a2m9d0f3h6j8"})
}

func batchesUntil(now time.Time, n int) []fleet.Batch {
	var out []fleet.Batch
	for i := range n {
		out = append(out, fleet.Batch{At: now.Add(-time.Duration(n-i) * 120 * time.Millisecond), Documents: 100, Took: time.Duration(90+40*(i%5)) * time.Millisecond})
	}
	return out
}

// many is a fleet of n migrations, each its own row.
func many(n int) *fleet.Snapshot {
	s := scene("running")
	first := s.Plan.Rows[4]
	for i := range n {
		name := fmt.Sprintf("migrations:step%04d", i)
		s.Project.Migrations = append(s.Project.Migrations, project.Migration{Name: name, Table: "users", Driver: project.ComponentDriver, BatchSize: 100, File: "convex/migrations.ts", Line: i})
		r := first
		r.Title, r.Path, r.Migrations = strings.Replace(r.Title, "plan", fmt.Sprintf("field%04d", i), 1), fmt.Sprintf("users.field%04d", i), []string{name}
		s.Plan.Rows = append(s.Plan.Rows, r)
	}
	return s
}
