package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"strait/convex/local"
	"strait/convex/prove"
	"strait/convex/snapshot"
	"strait/model/value"
)

// copyLimit bounds the text of the documents that a copy holds. With their
// indexes they take three times as much memory, and while a migration runs what
// it writes is held beside what was there before.
const copyLimit = 1 << 30

// referenceRounds is how often the documents are fetched that those fetched
// before refer to.
const referenceRounds = 3

// fill brings the documents into the copy.
func (r *rehearsal) fill(ctx context.Context) error {
	var err error
	switch {
	case r.o.Export != "":
		err = r.fromExport(ctx)
	case r.o.Sample <= 0 && r.o.Generate > 0:
		err = r.madeUp(ctx)
	default:
		err = r.sampled(ctx)
	}
	if err != nil {
		return err
	}
	view := r.d.View()
	for _, component := range view.Components() {
		for _, t := range view.Tables(component) {
			if !r.keeps(component) {
				r.report.Documents += t.Count
			}
		}
	}
	return nil
}

// keeps reports whether a component is one that only keeps the state of
// migrations.
func (r *rehearsal) keeps(component string) bool {
	for _, m := range r.p.Migrations {
		if component != "" && r.keeper(m.Component, m.Owner) == component {
			return true
		}
	}
	return component != "" && component == r.from.component
}

// keeper is the component that keeps a migration's state.
func (r *rehearsal) keeper(component, owner string) string {
	if owner != "" && component != "" {
		return component
	}
	return r.from.component
}

// fromExport fills the copy from an export ZIP; ids and creation times survive,
// and so does what the migrations component there knew to be done.
func (r *rehearsal) fromExport(ctx context.Context) error {
	a, err := snapshot.Open(r.o.Export)
	if err != nil {
		return err
	}
	defer a.Close()
	r.report.Source = titleOf(r.o.Export)
	ours := func(component string) bool { return r.p.App.Component(component) != nil }
	var size, left int64
	held := map[string]bool{}
	for _, t := range a.Tables() {
		if !ours(t.Component) {
			left++
			continue
		}
		size += a.Size(t)
		held[t.Component+":"+t.Name] = true
	}
	if left > 0 {
		r.note("%d tables of the export are of components that the work tree does not have: they were left out", left)
	}
	r.at(fmt.Sprintf("reading %d tables", len(a.Tables())), "", 0, -1)
	if r.o.Sample > 0 {
		err = r.sampleExport(ctx, a, ours)
	} else {
		if size > r.limit {
			return fmt.Errorf("%s holds %s MiB of documents, and a rehearsal keeps them in memory: at most %d MiB; rehearse a sample of it, with so many documents a table (--sample)", filepath.Base(r.o.Export), thousands(size>>20), r.limit>>20)
		}
		r.report.Whole = true
		_, err = r.d.Import(ctx, a, local.ImportOptions{
			Mode: local.RequireEmpty, Only: ours,
			Progress: func(text string) { r.at(strings.ToLower(text[:1])+text[1:], "", 0, -1) },
		})
	}
	if err != nil {
		return fmt.Errorf("copy %s: %w", filepath.Base(r.o.Export), err)
	}
	return r.keptState(held)
}

// keptState takes what the copied component says is done. Where the export
// holds no such state, the environment's statuses are taken.
func (r *rehearsal) keptState(held map[string]bool) error {
	view := r.d.View()
	for _, m := range r.p.Migrations {
		keeper := r.keeper(m.Component, m.Owner)
		if m.Runner || !component(m) || !held[keeper+":migrations"] {
			continue
		}
		if r.kept == nil {
			r.kept = map[string]bool{}
		}
		r.kept[m.Name] = false
		for d := range view.Scan(keeper, "migrations", "", false) {
			v, err := value.Decode([]byte(d.JSON))
			if err != nil {
				return err
			}
			row, _ := v.(value.Object)
			if name, _ := textOf(row, "name"); name == m.Function() {
				done, _ := get(row, "isDone").(bool)
				r.kept[m.Name] = done
				if !done && number(get(row, "processed")) > 0 {
					r.begun = append(r.begun, m.Name)
				}
			}
		}
	}
	return nil
}

// madeUp fills the copy with documents of the shape that is deployed.
func (r *rehearsal) madeUp(ctx context.Context) error {
	shape := r.from.active
	if shape == nil {
		shape = r.p.Schema
		r.note("nothing says which shape is deployed, so the made-up documents have the target's: there is nothing for a migration to do")
	}
	r.report.Source = fmt.Sprintf("%s made-up documents a table", thousands(int64(r.o.Generate)))
	r.note("made-up documents have been through no migration, so every one is run, and no estimate rests on their sizes")
	counts := map[string]int{}
	for _, t := range shape.Tables {
		counts[t.Name] = r.o.Generate
	}
	r.at("making up documents", "", 0, int64(r.o.Generate*len(counts)))
	return r.d.Generate(ctx, local.GenerateOptions{Schema: shape, Counts: counts, Seed: max(1, r.o.Seed)})
}

// sampling is the documents taken from a shelf.
type sampling struct {
	numbers map[string]map[uint32]string         // tables by component and number
	docs    map[string]map[string]value.Object   // by component and id
	order   map[string]map[string][]value.Object // by component and table
	bytes   int64
	limit   int64
}

// sampleFrom takes n documents a table and those that they refer to, so that
// references hold.
func (r *rehearsal) sampleFrom(ctx context.Context, from shelf, n int) error {
	tables, err := from.tables(ctx)
	if err != nil {
		return err
	}
	s := &sampling{limit: r.limit, numbers: map[string]map[uint32]string{}, docs: map[string]map[string]value.Object{}, order: map[string]map[string][]value.Object{}}
	for i, t := range tables {
		if s.numbers[t.component] == nil {
			s.numbers[t.component] = map[uint32]string{}
			s.docs[t.component] = map[string]value.Object{}
			s.order[t.component] = map[string][]value.Object{}
		}
		if t.number != 0 {
			s.numbers[t.component][t.number] = t.name
		}
		r.at(fmt.Sprintf("reading %d tables", len(tables)), "", int64(i), int64(len(tables)))
		for doc, err := range from.some(ctx, t, n) {
			if err != nil {
				return fmt.Errorf("read table %s: %w", t.name, err)
			}
			if err := s.take(t.component, t.name, doc); err != nil {
				return err
			}
		}
	}
	open := 0
	for component := range s.docs {
		if component == "" && len(r.from.suspects) > 0 {
			docs, err := from.byID(ctx, "", r.from.suspects)
			if err != nil {
				return fmt.Errorf("read the documents that are known to make trouble: %w", err)
			}
			if err := s.takeAll("", docs); err != nil {
				return err
			}
		}
		missing := s.refers(component, s.all(component))
		for round := 0; round < referenceRounds && len(missing) > 0; round++ {
			r.at("reading what they refer to", "", int64(round), referenceRounds)
			docs, err := from.byID(ctx, component, missing)
			if err != nil {
				return fmt.Errorf("read the documents that others refer to: %w", err)
			}
			if err := s.takeAll(component, docs); err != nil {
				return err
			}
			missing = s.refers(component, docs)
		}
		open += len(missing)
	}
	if open > 0 {
		r.note("references go further than %d documents deep: %s references lead to documents that are not in the copy", referenceRounds, thousands(int64(open)))
	}
	return s.load(ctx, r.d, tables)
}

// takeAll takes documents of tables that their ids name.
func (s *sampling) takeAll(component string, docs []value.Object) error {
	for _, doc := range docs {
		id, _ := textOf(doc, "_id")
		parsed, err := value.ParseID(id)
		if err != nil {
			continue
		}
		if err := s.take(component, s.numbers[component][parsed.Table], doc); err != nil {
			return err
		}
	}
	return nil
}

func (s *sampling) take(component, table string, doc value.Object) error {
	id, _ := textOf(doc, "_id")
	if _, there := s.docs[component][id]; there || table == "" {
		return nil
	}
	if s.bytes += int64(value.Size(doc)); s.bytes > s.limit {
		return fmt.Errorf("the sample is larger than %d MiB, which a rehearsal may hold in memory: take fewer documents a table", s.limit>>20)
	}
	s.docs[component][id] = doc
	s.order[component][table] = append(s.order[component][table], doc)
	return nil
}

func (s *sampling) all(component string) []value.Object {
	return slices.Collect(maps.Values(s.docs[component]))
}

// refers are the ids in documents that are of tables of the component, and of
// no document that was taken; sorted.
func (s *sampling) refers(component string, docs []value.Object) []string {
	missing := map[string]bool{}
	for _, doc := range docs {
		prove.References(doc, func(text string, id value.ID) {
			if _, there := s.docs[component][text]; !there && s.numbers[component][id.Table] != "" {
				missing[text] = true
			}
		})
	}
	return slices.Sorted(maps.Keys(missing))
}

// load puts the sample into the copy. Every table gets the number that it has
// there, also an empty one, so that ids mean the same.
func (s *sampling) load(ctx context.Context, d *local.Deployment, tables []shelfTable) error {
	for _, t := range tables {
		if err := d.DefineTable(t.component, t.name, t.number); err != nil {
			return err
		}
	}
	for _, component := range slices.Sorted(maps.Keys(s.order)) {
		for _, table := range slices.Sorted(maps.Keys(s.order[component])) {
			if _, err := d.Insert(ctx, component, table, s.order[component][table]); err != nil {
				return fmt.Errorf("copy table %s: %w", table, err)
			}
		}
	}
	return nil
}

// sampled fills the copy with documents of the deployment.
func (r *rehearsal) sampled(ctx context.Context) error {
	if r.from.client == nil {
		return errors.New("there is no deployment to take a sample from: name an environment or an export")
	}
	n := r.o.Sample
	var total int64
	for _, count := range r.from.tables {
		total += count
	}
	switch {
	case n > 0:
	case r.from.embedded || r.from.tables != nil && total <= smallDeployment:
		n = math.MaxInt
	default:
		n = rehearsedSample
	}
	r.report.Source = "every document of " + r.from.env
	if n < math.MaxInt {
		r.report.Source = fmt.Sprintf("%s documents a table", thousands(int64(n)))
	}
	if err := r.sampleFrom(ctx, &remoteShelf{r.from.client, r.owners(), r.note}, n); err != nil {
		return err
	}
	if r.from.tables == nil {
		return nil
	}
	r.report.Whole = true
	view := r.d.View()
	for _, t := range view.Tables("") {
		r.report.Whole = r.report.Whole && t.Count >= r.from.tables[t.Name]
	}
	if r.report.Whole {
		r.report.Source = "every document of " + r.from.env
		return nil
	}
	var here int64
	for _, t := range view.Tables("") {
		here += t.Count
	}
	r.note("%s of %s documents are not in the copy: what comes of them is not known", thousands(max(0, total-here)), thousands(total))
	return nil
}
