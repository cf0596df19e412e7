// Package prove searches for documents that a project's migrations do not bring
// to the target: real ones and made-up ones are put through the migrations'
// own code in an embedded deployment, and what comes out is checked (design.md
// section 4). It needs no deployment and writes to none.
//
// Its rules:
//   - A counterexample is one document that fails alone, whatever the other
//     documents of its batch were, and whichever shape those of other tables
//     have: the one before or the one after their own migrations (world.go).
//   - Only what a row's migrations are said to cover counts against them: a
//     violation at or below the row's path, or one that was not there before
//     (judge.go).
//   - The same seed gives the same documents, in the same order, and the same
//     proof, as long as no time limit is hit: the clock and Math.random stand
//     still.
package prove

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"strait/convex/jsrun"
	"strait/convex/project"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// Documents is how many documents a row's migrations get, unless said otherwise.
const Documents = 2000

// Options of Run.
type Options struct {
	App        *jsrun.App
	Migrations []project.Migration
	Rows       []plan.Row     // of plan.Make; those without changes are passed over
	Active     *schema.Schema // which the old documents follow; nil: any documents
	Widened    *schema.Schema // which the migrations run under; nil: Active widened by Target
	Target     *schema.Schema
	Documents  int    // a row; 0 is Documents
	Seed       uint64 // 0 is 1
	Sample     *Sample
	Now        func() time.Time // of Proof.At and Took; nil is time.Now
	Progress   func(Progress)   // called from the goroutine of Run; nil nobody asks
}

// Sample is real documents of a deployment's root, with their system fields.
type Sample struct {
	Tables  map[string][]value.Object
	Numbers map[string]uint32 // of tables
	// Gone are ids that were looked up and belong to no document. Other ids that
	// lead out of the sample get a made-up document in their place.
	Gone map[string]bool
}

// Progress is how far Run is.
type Progress struct {
	Row       string // its title
	Rows, Of  int    // rows that are done, of how many
	Documents int    // of all rows so far
}

// Rows are the rows that lead from a schema to the input's target, as plan.Make
// lists them for one environment that has that schema.
func Rows(in plan.Input, from *schema.Schema) []plan.Row {
	in.Envs = []plan.Evidence{{Env: "from", Reachable: true, Active: from, ActiveKnown: true}}
	made := plan.Make(in)
	return slices.DeleteFunc(made.Rows, func(r plan.Row) bool { return len(r.Changes) == 0 })
}

// Run searches row by row. What keeps a row from being tried is its proof's
// Why; err is for a project that cannot be run at all, and for the end of ctx,
// which the rows that were done come with.
func Run(ctx context.Context, o Options) ([]plan.Proof, error) {
	if o.App == nil || len(o.App.Components) == 0 {
		return nil, errors.New("prove: the project's code did not load, so its migrations cannot be run; strait inspect lists what is wrong")
	}
	if o.Target == nil {
		return nil, errors.New("prove: there is no target schema to prove against; strait inspect says what is wrong with the project")
	}
	o.orDefault()
	rows := slices.DeleteFunc(slices.Clone(o.Rows), func(r plan.Row) bool { return len(r.Changes) == 0 })
	out := []plan.Proof{}
	done := 0
	for i, row := range rows {
		o.Progress(Progress{Row: row.Title, Rows: i, Of: len(rows), Documents: done})
		p, err := o.prove(ctx, row, func(n int) {
			o.Progress(Progress{Row: row.Title, Rows: i, Of: len(rows), Documents: done + n})
		})
		if err != nil {
			return out, fmt.Errorf("prove %s: %w", row.Title, err)
		}
		done += p.Documents
		out = append(out, p)
	}
	o.Progress(Progress{Rows: len(rows), Of: len(rows), Documents: done})
	return out, nil
}

// orDefault puts what is meant in the place of what is not said.
func (o *Options) orDefault() {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	o.Documents, o.Seed = cmp.Or(o.Documents, Documents), cmp.Or(o.Seed, 1)
	if o.Widened == nil {
		o.Widened = o.Target
		if o.Active != nil {
			o.Widened = schema.WidenSchemas(o.Active, o.Target)
		}
	}
}

// prove is the proof of one row.
func (o *Options) prove(ctx context.Context, row plan.Row, told func(int)) (plan.Proof, error) {
	began := o.Now()
	p := plan.Proof{Title: row.Title, Table: row.Table, Path: row.Path, Migrations: row.Migrations, Seed: o.Seed, At: began}
	err := o.try(ctx, row, &p, told)
	p.Took = o.Now().Sub(began)
	if ctx.Err() != nil {
		return p, context.Cause(ctx)
	}
	if why := (*unproven)(nil); errors.As(err, &why) {
		p.Verdict, p.Why, err = plan.Unproven, why.text, nil
	}
	return p, err
}

// unproven is why a row cannot be tried.
type unproven struct{ text string }

func (u *unproven) Error() string { return u.text }

func cannot(format string, args ...any) error { return &unproven{fmt.Sprintf(format, args...)} }

func (o *Options) try(ctx context.Context, row plan.Row, p *plan.Proof, told func(int)) error {
	if len(row.Migrations) == 0 {
		p.Verdict, p.Why = plan.Uncovered, "no migration of the project is said to cover it"
		return nil
	}
	s, err := o.search(ctx, row)
	if err != nil {
		return err
	}
	defer s.w.close()
	s.told = told
	return s.run(ctx, p)
}

// search makes everything ready to try documents of a row. The caller closes
// its world.
func (o *Options) search(ctx context.Context, row plan.Row) (*search, error) {
	if row.Table == "" {
		return nil, cannot("the change is of the whole schema: which documents it is about is not known")
	}
	s := &search{o: o, row: row, told: func(int) {}, seed: o.Seed ^ hash(row.Title)}
	s.widened, s.target = o.Widened.Table(row.Table), o.Target.Table(row.Table)
	if s.target == nil {
		return nil, cannot("the target has no table %s, so nothing tells what its documents should be", row.Table)
	}
	if s.widened == nil {
		s.widened = &schema.Table{Name: row.Table}
	}
	var err error
	if s.migrations, err = o.ordered(row.Migrations); err != nil {
		return nil, err
	}
	for _, m := range s.migrations {
		fn, err := o.runnable(m)
		if err != nil {
			return nil, err
		}
		s.functions = append(s.functions, fn)
	}
	s.w, err = newWorld(ctx, o, s)
	return s, err
}

// ordered are the migrations of a row in the order of the series that holds
// the first of them, else as they are defined.
func (o *Options) ordered(names []string) ([]project.Migration, error) {
	var out []project.Migration
	place := map[string]int{}
	for i, m := range o.Migrations {
		if _, set := place[m.Name]; !set {
			place[m.Name] = i
		}
	}
	for _, m := range o.Migrations {
		if m.Runner && slices.ContainsFunc(m.Series, func(n string) bool { return slices.Contains(names, n) }) {
			for i, n := range m.Series {
				place[n] = i - len(m.Series)
			}
			break
		}
	}
	for _, name := range names {
		i := slices.IndexFunc(o.Migrations, func(m project.Migration) bool { return m.Name == name })
		if i < 0 {
			return nil, cannot("%s is not defined in the project", name)
		}
		out = append(out, o.Migrations[i])
	}
	slices.SortStableFunc(out, func(a, b project.Migration) int { return cmp.Compare(place[a.Name], place[b.Name]) })
	return out, nil
}

func hash(text string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(text))
	return h.Sum64()
}

// fieldPath is a row's path below its table: "profile.zip"; "" is the whole
// document.
func fieldPath(row plan.Row) string {
	rest, ok := strings.CutPrefix(row.Path, row.Table+".")
	if !ok {
		return ""
	}
	return rest
}
