package plan

import (
	"fmt"
	"testing"
	"time"

	"strait/model/schema"
)

// The benchmarks compare and plan revisions of a schema as large as they come:
// 100 tables of 20 fields.
var revisions = []struct {
	name           string
	active, target *schema.Schema
}{
	{"nothing-changed", wide(0), wide(0)},
	{"5-tables-changed", wide(0), mixed(wide(0), wide(1), 5)},
	{"third-of-fields-changed", wide(0), wide(2)},
}

func benchRevisions(b *testing.B, do func(active, target *schema.Schema)) {
	for _, r := range revisions {
		b.Run(r.name, func(b *testing.B) {
			for b.Loop() {
				do(r.active, r.target)
			}
		})
	}
}

// BenchmarkDiff is Diff alone: no witness is asked for.
func BenchmarkDiff(b *testing.B) {
	benchRevisions(b, func(active, target *schema.Schema) { Diff(active, target) })
}

// BenchmarkWitnesses is Diff with the witness of every change.
func BenchmarkWitnesses(b *testing.B) {
	benchRevisions(b, func(active, target *schema.Schema) {
		for _, c := range Diff(active, target) {
			c.Witness()
		}
	})
}

// BenchmarkCompare is diff, widened schema and verdicts.
func BenchmarkCompare(b *testing.B) {
	benchRevisions(b, func(active, target *schema.Schema) { Compare(active, target) })
}

// BenchmarkPlan is all of it: diff, widen and plan for one environment.
func BenchmarkPlan(b *testing.B) {
	now := time.Unix(1_700_000_000, 0)
	benchRevisions(b, func(active, target *schema.Schema) {
		Make(Input{Target: target, Envs: []Evidence{{Env: "prod", Now: now, Reachable: true, Active: active, ActiveKnown: true}}})
	})
}

// wide is a schema of 100 tables and 2,000 fields; n is its revision.
func wide(n int) *schema.Schema {
	s := &schema.Schema{Validation: true}
	for i := range 100 {
		var fs []schema.Field
		for j := range 20 {
			f := schema.Field{Name: fmt.Sprintf("f%02d", j), Type: kindOfField(j), Optional: j%6 == 0}
			if n > 0 && j%3 == 0 { // a third: types, optionality, names
				switch (j / 3) % 4 {
				case 0:
					f.Type = kindOfField(j + n)
				case 1:
					f.Optional = !f.Optional
				case 2:
					f.Name = fmt.Sprintf("g%02d", j)
				case 3:
					f.Type = union(f.Type, null())
				}
			}
			fs = append(fs, f)
		}
		s.Tables = append(s.Tables, table(fmt.Sprintf("t%d", i), object(fs...), index("by_f01", "f01"), index("by_f02", "f02", "f01")))
	}
	return s
}

func kindOfField(j int) *schema.Validator {
	switch j % 5 {
	case 0:
		return str()
	case 1:
		return num()
	case 2:
		return union(lit("a"), lit("b"), lit("c"))
	case 3:
		return arr(object(req("x", num()), opt("note", str())))
	}
	return id("t1")
}

// mixed is a with the first n tables of b.
func mixed(a, b *schema.Schema, n int) *schema.Schema {
	copy(a.Tables[:n], b.Tables[:n])
	return a
}

// BenchmarkReview is what a person asks for on top: advice with a draft for
// every change, hazards, order, merge.
func BenchmarkReview(b *testing.B) {
	now := time.Unix(1_700_000_000, 0)
	benchRevisions(b, func(active, target *schema.Schema) {
		in := Input{Target: target, Envs: []Evidence{{Env: "prod", Now: now, Reachable: true, Active: active, ActiveKnown: true}}}
		NewReview(in, Make(in))
	})
}
