package census

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
)

const (
	sampleRoom = 4 << 20 // characters of samples in an answer
	toldFull   = 300     // groups of which the checker is told that they need no samples
	maxTies    = 4000    // documents of one creation time
)

// answer is what the checker finds in a page.
type answer struct {
	Walked  int            `json:"walked"` // documents read, those seen before as well
	Weight  int64          `json:"weight"` // bytes of those
	Weighed int            `json:"weighed"`
	Read    int            `json:"read"`
	Bad     int            `json:"bad"`
	Bytes   int64          `json:"bytes"`
	Largest int64          `json:"largest"`
	Done    bool           `json:"done"`
	Cursor  string         `json:"cursor"`
	Time    float64        `json:"time"`
	Seen    []string       `json:"seen"`
	ID      string         `json:"id"`
	Groups  []told         `json:"groups"`
	Samples []sampleAnswer `json:"samples"`
}

// told is a group and how many of the page's documents are in it.
type told struct {
	key   string
	count int
}

func (t *told) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&t.key, &t.count})
}

// sampleAnswer is one document of a page; Doc is absent when it had no room.
type sampleAnswer struct {
	At   int             `json:"at"` // its place among the documents read, from 1
	ID   string          `json:"id"`
	Keys []string        `json:"keys"` // of its groups
	Doc  json.RawMessage `json:"doc"`
}

// groupKeyOf reads "reason path", as the checker writes a group.
func groupKeyOf(table, text string) (groupKey, bool) {
	reason, path, ok := strings.Cut(text, " ")
	if !ok || !slices.Contains(reasons, reason) {
		return groupKey{}, false
	}
	if path != "" {
		path = table + path
	}
	return groupKey{path, reason}, true
}

var reasons = []string{schema.ReasonMissing, schema.ReasonExtra, schema.ReasonType, schema.ReasonLiteral, schema.ReasonID, schema.ReasonUnion}

var errAnswer = errors.New("the checker's answer makes no sense")

// decodeAnswer reads the checker's answer about a page of asked documents, and
// refuses one whose numbers cannot be.
func decodeAnswer(v value.Value, asked int) (*answer, error) {
	text, ok := v.(string)
	if !ok {
		return nil, errAnswer
	}
	var a answer
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return nil, errAnswer
	}
	ok = a.Read >= 0 && a.Read <= a.Walked && a.Walked <= asked && a.Bad >= 0 && a.Bad <= a.Read &&
		a.Bytes >= 0 && a.Bytes <= a.Weight && a.Largest >= 0 && a.Largest <= a.Bytes && a.Weighed >= 0 && a.Weighed <= a.Read && (a.Bad == 0) == (len(a.Groups) == 0) &&
		!math.IsNaN(a.Time) && len(a.Samples) <= a.Bad
	for _, g := range a.Groups {
		_, known := groupKeyOf("", g.key)
		ok = ok && known && g.count > 0 && g.count <= a.Bad
	}
	last := 0
	for _, s := range a.Samples {
		ok = ok && s.At > last && s.At <= a.Read && len(s.Keys) > 0
		last = s.At
	}
	if !ok {
		return nil, errAnswer
	}
	return &a, nil
}

// errDisagree says that the checker judged a document otherwise than this
// program does, which knows best.
var errDisagree = errors.New("the checker and the rules of the target disagree")

var errTies = fmt.Errorf("more than %d documents have the same creation time", maxTies)

// probe has a page of a table checked where it lies.
func (r *run) probe(ctx context.Context, t *tableRun, n int, bytes int64) error {
	if t.source == "" {
		t.source = checkerOf(t.table)
	}
	args, n := r.probeArgs(t, n, bytes)
	result, err := r.client.RunTestQuery(ctx, wire.TestQuery{Source: t.source, Args: args, ComponentID: r.o.ComponentID})
	var a *answer
	if err == nil {
		a, err = decodeAnswer(result.Value, n)
	}
	if err != nil {
		most := int64(mostRead)
		if bytes > 0 {
			most = bytes + value.MaxDocumentSize
		}
		return r.failed(err, int64(n), most)
	}
	r.read += int64(a.Walked)
	r.bytes += a.Weight
	r.pages.took(a.Walked)
	if len(a.Seen) > maxTies {
		return errTies
	}
	at, done := r.next(t, a)
	if !done && a.Read == 0 && at.Cursor == t.at.Cursor && at.ID == t.at.ID && at.Round == t.at.Round {
		return errStuck
	}
	if err := r.takeAnswer(t, a); err != nil {
		return err
	}
	t.at, t.done = at, done
	return nil
}

// probeArgs are the checker's arguments for the next page, and how many
// documents it may read at most.
func (r *run) probeArgs(t *tableRun, n int, bytes int64) (value.Object, int) {
	full := value.Array{}
	for key, g := range t.found.groups {
		if len(g.samples) >= maxSamples && len(full) < toldFull {
			full = append(full, key.reason+" "+strings.TrimPrefix(key.path, t.table.Name))
		}
	}
	fields := []value.Field{
		{Name: "samples", Value: float64(maxSamples)}, {Name: "room", Value: float64(sampleRoom)}, {Name: "full", Value: full},
	}
	add := func(name string, v value.Value) { fields = append(fields, value.Field{Name: name, Value: v}) }
	if len(t.found.groups) >= maxGroups {
		fields[0].Value = 0.0
	}
	if bytes > 0 {
		add("bytes", float64(bytes))
	}
	switch {
	case r.sampled(t):
		add("way", "id")
		add("start", t.at.Start)
		add("id", t.at.ID)
		add("round", t.at.Round)
	case r.o.ComponentID != "":
		add("way", "time")
		add("begun", t.at.Begun)
		add("time", t.at.Time)
		seen := value.Array{}
		for _, id := range t.at.Seen {
			seen = append(seen, id)
		}
		add("seen", seen)
		n += len(seen) // of which spent has left room for one that is new
		if b := r.o.Budget.Documents; b > 0 {
			n = int(min(int64(n), b-r.read))
		}
	default:
		add("way", "page")
		var cursor value.Value
		if t.at.Cursor != "" {
			cursor = t.at.Cursor
		}
		add("cursor", cursor)
	}
	add("n", float64(n))
	return value.NewObject(fields...), n
}

// next is where the table is read on after a page.
func (r *run) next(t *tableRun, a *answer) (position, bool) {
	at := t.at
	at.Begun = true
	switch {
	case r.sampled(t):
		at.ID = a.ID
		if a.Done && !at.Round {
			at.Round, at.ID, a.Done = true, "", false
		}
		return at, a.Done || t.found.read+int64(a.Read) >= r.o.Sample
	case r.o.ComponentID != "":
		at.Time, at.Seen = a.Time, a.Seen
	default:
		at.Cursor = a.Cursor
	}
	return at, a.Done
}

// takeAnswer counts a page, once its samples were found to be what the checker
// took them for.
func (r *run) takeAnswer(t *tableRun, a *answer) error {
	type sample struct {
		placed
		doc        value.Object
		violations []schema.Violation
	}
	var samples []sample
	for _, s := range a.Samples {
		one := sample{placed: placed{line: int(t.found.read) + s.At}}
		one.ID = s.ID
		if s.Doc != nil {
			v, err := value.Decode(s.Doc)
			doc, ok := v.(value.Object)
			if err != nil || !ok {
				return errAnswer
			}
			one.doc, one.violations = doc, t.table.CheckDocument(doc, r.ids)
			if !sameGroups(t.table.Name, one.violations, s.Keys) {
				return fmt.Errorf("document %s: %w", s.ID, errDisagree)
			}
		}
		samples = append(samples, one)
	}
	for i, s := range samples {
		for _, text := range a.Samples[i].Keys {
			key, ok := groupKeyOf(t.table.Name, text)
			if !ok {
				return errAnswer
			}
			if g := t.found.group(key, t.table.Name); len(g.samples) < maxSamples && g.last != s.line {
				g.last = s.line
				g.samples = append(g.samples, s.in(key, t.table.Name, s.doc, s.violations))
			}
		}
	}
	for _, g := range a.Groups {
		key, _ := groupKeyOf(t.table.Name, g.key) // decodeAnswer has looked
		t.found.group(key, t.table.Name).count += int64(g.count)
	}
	t.found.read += int64(a.Read)
	t.found.weighed += int64(a.Weighed)
	t.found.bytes += a.Bytes
	t.found.offenders += int64(a.Bad)
	t.found.largest = max(t.found.largest, a.Largest)
	return nil
}

// in is the sample with the place that puts it into a group.
func (p placed) in(key groupKey, table string, doc value.Object, violations []schema.Violation) placed {
	for _, v := range violations {
		if keyOf(table, v) == key {
			return placed{sampleOf(doc, v), p.line}
		}
	}
	return p
}

func sameGroups(table string, violations []schema.Violation, keys []string) bool {
	here := map[groupKey]bool{}
	for _, v := range violations {
		here[keyOf(table, v)] = true
	}
	for _, text := range keys {
		key, ok := groupKeyOf(table, text)
		if !ok || !here[key] {
			return false
		}
	}
	return len(here) == len(keys)
}
