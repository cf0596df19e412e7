package local

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"

	"strait/model/schema"
	"strait/model/value"
)

// Generated documents were created in the year before this moment (2026-01-01),
// in milliseconds: the same seed gives the same documents on any day.
const (
	generatedUntil = 1_767_225_600_000
	generatedSpan  = 365 * 24 * 3600 * 1000
)

// generateChunk is how many documents go in at once.
const generateChunk = 4096

// GenerateOptions say what to generate.
type GenerateOptions struct {
	Component string
	Schema    *schema.Schema // the shape of the documents, often the old one
	Counts    map[string]int // documents a table
	Seed      uint64
	Dangling  float64 // share of references that point to no document; 0 none
}

// Generate fills tables with believable documents, the same for the same seed:
// fields, ids and creation times, spread over a year. References point to
// documents of the tables generated or already filled.
func (d *Deployment) Generate(ctx context.Context, o GenerateOptions) error {
	g := &generator{d: d, o: o, ids: map[string][]value.ID{}, numbers: map[string]uint32{}, rounds: map[referral][]int{}, nth: map[string]int{}}
	names := slices.Sorted(maps.Keys(o.Counts))
	for _, name := range names {
		if o.Schema.Table(name) == nil {
			return fmt.Errorf("generate documents of table %q: the schema has no such table", name)
		}
		if n := o.Counts[name]; n < 0 {
			return fmt.Errorf("generate %d documents of table %q: the number must not be negative", n, name)
		}
	}
	// Every table of the schema gets its number first, in the schema's order,
	// and every document its id, so that tables may refer to each other.
	for _, t := range o.Schema.Tables {
		if err := d.DefineTable(o.Component, t.Name, 0); err != nil {
			return err
		}
		g.plan(t.Name)
	}
	sampler := schema.NewSampler(o.Seed, g.reference)
	for _, name := range names {
		if err := g.fill(ctx, sampler, o.Schema.Table(name)); err != nil {
			return err
		}
	}
	return nil
}

// generator is one Generate under way.
type generator struct {
	d       *Deployment
	o       GenerateOptions
	ids     map[string][]value.ID // that references may point to
	numbers map[string]uint32
	refs    map[string]*rand.Rand // choice of references, by table that refers
	rounds  map[referral][]int    // who is still to be referred to in this round
	nth     map[string]int        // references of the document in hand so far, by table
	current string
}

func (g *generator) rand(what string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(what))
	return rand.New(rand.NewPCG(g.o.Seed, h.Sum64()))
}

// created is the creation time of document i of n: evenly spread, with noise.
func created(i, n int, r *rand.Rand) float64 {
	step := float64(generatedSpan) / float64(n)
	return float64(generatedUntil-generatedSpan) + step*(float64(i)+r.Float64())
}

// plan gives a table's documents their ids; those already there count too.
func (g *generator) plan(name string) {
	v := g.d.View()
	number, _ := v.TableNumber(g.o.Component, name)
	g.numbers[name] = number
	for doc := range v.Scan(g.o.Component, name, "", false) {
		if id, err := value.ParseID(doc.ID); err == nil {
			g.ids[name] = append(g.ids[name], id)
		}
	}
	r := g.rand("ids " + name)
	for range g.o.Counts[name] {
		g.ids[name] = append(g.ids[name], randomID(number, r))
	}
}

func randomID(number uint32, r *rand.Rand) value.ID {
	id := value.ID{Table: number}
	binary.BigEndian.PutUint64(id.Internal[:], r.Uint64())
	binary.BigEndian.PutUint64(id.Internal[8:], r.Uint64())
	binary.BigEndian.PutUint16(id.Internal[14:], generatedUntil/86_400_000)
	return id
}

// reference gives the sampler an id of a table.
func (g *generator) reference(table string) (string, bool) {
	r := g.refs[g.current]
	if r == nil {
		if g.refs == nil {
			g.refs = map[string]*rand.Rand{}
		}
		r = g.rand("references of " + g.current)
		g.refs[g.current] = r
	}
	// Files and jobs are not generated, and a table may be left empty: an id of
	// one of their documents is that of one that is gone, as in old data.
	switch table {
	case storageTable:
		return randomID(storageNumber, r).String(), true
	case scheduledTable:
		return randomID(scheduledNumber, r).String(), true
	}
	list := g.ids[table]
	number, known := g.numbers[table]
	if known && (len(list) == 0 || g.o.Dangling > 0 && r.Float64() < g.o.Dangling) {
		return randomID(number, r).String(), true
	}
	if len(list) == 0 {
		return "", false
	}
	return list[g.turn(table, len(list), r)].String(), true
}

// referral is one of the references to a table that a document holds.
type referral struct {
	from, to string
	nth      int
}

// turn deals the documents of a table to those of another in rounds, each in
// an order of its own: with as many of both, each is referred to once from
// the same field, which is what code that calls unique() on an index expects.
func (g *generator) turn(table string, n int, r *rand.Rand) int {
	at := referral{g.current, table, g.nth[table]}
	g.nth[table]++
	round := g.rounds[at]
	if len(round) == 0 {
		round = r.Perm(n)
	}
	g.rounds[at] = round[1:]
	return round[0]
}

func (g *generator) fill(ctx context.Context, sampler *schema.Sampler, t *schema.Table) error {
	n := g.o.Counts[t.Name]
	ids := g.ids[t.Name]
	ids = ids[len(ids)-n:]
	times := g.rand("times " + t.Name)
	g.current = t.Name
	docs := make([]value.Object, 0, min(n, generateChunk))
	for i := range n {
		clear(g.nth)
		doc, err := sampler.Document(t)
		if err != nil {
			return fmt.Errorf("generate document %d of table %q: %w", i+1, t.Name, err)
		}
		docs = append(docs, withSystem(withoutSystem(doc), ids[i], created(i, n, times)))
		if len(docs) == generateChunk || i == n-1 {
			if _, err := g.d.Insert(ctx, g.o.Component, t.Name, docs); err != nil {
				return fmt.Errorf("generate documents of table %q: %w", t.Name, err)
			}
			docs = docs[:0]
		}
	}
	return nil
}
