package local

import (
	"context"
	"fmt"
	"runtime"
	"testing"

	"strait/model/value"
)

// accounts are documents of the size that applications have: about 250 bytes.
func accounts(n int) []value.Object {
	docs := make([]value.Object, n)
	for i := range docs {
		docs[i] = value.NewObject(
			value.Field{Name: "name", Value: fmt.Sprintf("user%07d", i)},
			value.Field{Name: "email", Value: fmt.Sprintf("user%07d@example.com", i)},
			value.Field{Name: "age", Value: float64(20 + i%50)},
			value.Field{Name: "tags", Value: value.Array{"new", "imported"}},
			value.Field{Name: "profile", Value: value.NewObject(
				value.Field{Name: "bio", Value: "likes walking and good coffee"},
				value.Field{Name: "city", Value: "Lisbon"},
			)},
			value.Field{Name: "active", Value: i%3 != 0},
		)
		if i%2 == 1 {
			docs[i] = docs[i].With("plan", "pro")
		}
	}
	return docs
}

var accountFiles = files{
	"convex.config.ts": migrationFiles["convex.config.ts"],
	"schema.ts": `
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
export default defineSchema({
  accounts: defineTable({
    name: v.string(), email: v.string(), age: v.number(), tags: v.array(v.string()),
    profile: v.object({ bio: v.string(), city: v.string() }),
    active: v.boolean(), plan: v.optional(v.string()),
  }).index("by_email", ["email"]),
});
`,
	"migrations.ts": `
import { Migrations } from "@convex-dev/migrations";
import { components } from "./_generated/api";
export const migrations = new Migrations(components.migrations);
export const run = migrations.runner();
export const setPlan = migrations.define({
  table: "accounts",
  migrateOne: async (ctx, doc) => {
    if (doc.plan === undefined) await ctx.db.patch(doc._id, { plan: "free" });
  },
});
`,
}

// BenchmarkMigration runs one conditional patch over a table through the
// unmodified component, in batches of 100.
func BenchmarkMigration(b *testing.B) {
	app := loadApp(b, true, accountFiles)
	for _, n := range []int{1_000, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			docs := accounts(n)
			for range b.N {
				b.StopTimer()
				d := deploy(b, app, Options{})
				if _, err := d.Insert(context.Background(), "", "accounts", docs); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
				if r := run(b, d, "migrations:setPlan", `{}`); r.Err != nil {
					b.Fatal(r.Err)
				}
				finished := ReadTable("migrations", "migrations")
				for since := uint64(0); ; {
					ts := d.View().Timestamp()
					if d.Changed(finished, since) {
						s := scanAll(d, "migrations", "migrations")
						if field(s[0], "isDone") == true {
							break
						}
						if e := field(s[0], "error"); e != nil && e != (value.Undefined{}) {
							b.Fatal(e)
						}
					}
					since = ts
					if _, err := d.Wait(context.Background(), ts); err != nil {
						b.Fatal(err)
					}
				}
				b.StopTimer()
				d.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/doc")
		})
	}
}

// BenchmarkReadPatch is the share of the store and the syscalls: one page
// read, every document of it patched.
func BenchmarkReadPatch(b *testing.B) {
	app := loadApp(b, false, accountFiles)
	d := deploy(b, app, Options{})
	docs := accounts(10_000)
	for i := range docs {
		docs[i] = docs[i].Without("plan")
	}
	ids, err := d.Insert(context.Background(), "", "accounts", docs)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		f := bare(d, "")
		start := (n * 100) % len(ids)
		if _, err := f.queryPage(`{"query":{"source":{"type":"FullTableScan","tableName":"accounts","order":null},"operators":[]},"cursor":null,"endCursor":null,"pageSize":100,"maximumRowsRead":null,"version":"1.48.0"}`); err != nil {
			b.Fatal(err)
		}
		for _, id := range ids[start : start+100] {
			if _, err := f.write(`{"id":"`+id+`","value":{"plan":"free"},"table":"accounts"}`, "db.patch", true); err != nil {
				b.Fatal(err)
			}
		}
		if _, err := d.commit(f.tx, "bench"); err != nil {
			b.Fatal(err)
		}
		n++
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n*100), "ns/doc")
}

// BenchmarkMemory reports the bytes that a document takes, and how many times
// the documents' JSON that is.
func BenchmarkMemory(b *testing.B) {
	app := loadApp(b, false, accountFiles)
	for range b.N {
		d := deploy(b, app, Options{})
		heap := func() uint64 {
			var m runtime.MemStats
			runtime.GC()
			runtime.GC()
			runtime.ReadMemStats(&m)
			return m.HeapAlloc
		}
		before := heap()
		const n = 50_000
		for range n / 5000 {
			if _, err := d.Insert(context.Background(), "", "accounts", accounts(5000)); err != nil {
				b.Fatal(err)
			}
		}
		used := float64(heap() - before)
		info := d.View().Tables("")[0]
		b.ReportMetric(used/n, "B/doc")
		b.ReportMetric(used/float64(info.Bytes), "times-JSON")
		runtime.KeepAlive(d)
		d.Close()
	}
}

// bare is a frame for driving syscalls without JavaScript.
func bare(d *Deployment, component string) *function {
	snap := d.latest.Load()
	c := snap.code.component(component)
	f := &function{
		run: &execution{d: d, code: snap.code, now: d.now()}, tx: d.begin(snap), component: c,
		seed: 1,
	}
	f.fn.Module, f.fn.Export, f.fn.Type = "test", "test", "Mutation"
	return f
}
