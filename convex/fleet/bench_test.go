package fleet

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/schema"
)

// large is a fleet of 20 environments with 100 migrations each, three of which
// run in every environment, without connections.
func large(tb testing.TB) (*Fleet, []wire.MigrationStatus) {
	tb.Helper()
	field := func(i int, optional bool) schema.Field {
		return schema.Field{Name: fmt.Sprintf("f%d", i), Type: &schema.Validator{Kind: schema.String}, Optional: optional}
	}
	tables := func(widened bool) *schema.Schema {
		s := &schema.Schema{Validation: true}
		for t := range 30 {
			table := &schema.Table{Name: fmt.Sprintf("t%d", t), Document: &schema.Validator{Kind: schema.Object}}
			for i := range 20 {
				table.Document.Fields = append(table.Document.Fields, field(i, widened && i < 3))
			}
			s.Tables = append(s.Tables, table)
		}
		return s
	}
	p := &project.Project{Name: "large", Schema: tables(false)}
	var statuses []wire.MigrationStatus
	start := time.Now().Add(-time.Minute)
	for i := range 100 {
		name := fmt.Sprintf("migrations:m%d", i)
		p.Migrations = append(p.Migrations, project.Migration{Name: name, Table: fmt.Sprintf("t%d", i%30), Driver: project.ComponentDriver, BatchSize: 100, Component: "migrations"})
		s := wire.MigrationStatus{Name: name, State: "success", IsDone: true, Processed: 10_000, LatestStart: start, LatestEnd: start.Add(time.Second)}
		if i < 3 {
			s.State, s.IsDone, s.Processed, s.LatestEnd = "inProgress", false, 100, time.Time{}
		}
		statuses = append(statuses, s)
	}
	f := &Fleet{now: time.Now, project: p, defs: Definitions(p.Migrations)}
	f.changed.init()
	f.published.init()
	f.snap.Store(&Snapshot{})
	for i := range 20 {
		e := newEnv(f, project.Env{Name: fmt.Sprintf("env%d", i), URL: "https://x", KeyEnv: "K"})
		f.envs = append(f.envs, e)
		e.state, e.functionsKnown, e.statusesKnown = Ready, true, true
		e.listed = map[string]bool{}
		for t := range 30 {
			e.listed[fmt.Sprintf("t%d", t)] = true
			e.gotSize(fmt.Sprintf("t%d", t), 1_000_000, nil)
		}
		e.gotSchemas(wire.Schemas{Active: tables(true)}, nil)
		for _, m := range p.Migrations {
			e.functions[m.Name] = true
		}
		e.gotFrom(nil, "migrations", statuses, nil)
	}
	return f, statuses
}

// BenchmarkFleetSecond is what a second costs of 20 environments with 100
// migrations each at 200 changes a second, published 15 times: ns/op over 1e9
// is the share of a core, without the wire.
func BenchmarkFleetSecond(b *testing.B) {
	f, statuses := large(b)
	b.ReportAllocs()
	n, peak := 0, uint64(0)
	for b.Loop() {
		for change := range 200 {
			e := f.envs[change%20]
			chunk := make([]wire.MigrationStatus, statusChunk)
			copy(chunk, statuses)
			n++
			chunk[n%3].Processed += int64(n) * 100
			e.gotFrom(nil, "migrations", chunk, nil)
			if change%(200/snapshotsPerSecond) == 0 {
				f.snap.Store(f.build(f.snap.Load().Seq+1, planFor))
			}
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		peak = max(peak, m.HeapAlloc)
	}
	b.ReportMetric(float64(peak)/(1<<20), "heap-MB")
}
