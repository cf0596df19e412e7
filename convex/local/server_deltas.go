package local

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"strait/model/value"
)

// Streaming export (convex-wire.md 6.4): GET and POST /api/list_snapshot, all
// documents as of one moment, and /api/document_deltas, what changed since.
// The changes are kept as long as history has them; a load of many documents
// at once begins it anew.

// Rows of a page, as Convex has them.
const (
	deltasPage   = 128
	snapshotPage = 1024
)

// streamAsk is what both routes are asked, in a body or as parameters.
type streamAsk struct {
	Cursor    json.RawMessage `json:"cursor"` // a timestamp, or list_snapshot's own
	Snapshot  *int64          `json:"snapshot"`
	Selection *selection      `json:"selection"`
	Table     *string         `json:"tableName"`
	Component *string         `json:"component"`
	Format    *string         `json:"format"`

	format valueFormat
}

func (d *Deployment) readStreamAsk(r *http.Request) (*streamAsk, error) {
	if _, err := d.requireOp(r, "ViewData"); err != nil {
		return nil, err
	}
	a := &streamAsk{}
	if r.Method == http.MethodPost {
		if err := readJSON(r, a); err != nil {
			return nil, err
		}
	} else if err := a.readQuery(r); err != nil {
		return nil, err
	}
	switch {
	case a.Selection != nil:
	case a.Table != nil:
		component := ""
		if a.Component != nil {
			component = *a.Component
		}
		a.Selection = &selection{named: map[string]*selection{component: {named: map[string]*selection{*a.Table: allOf}}}}
	case a.Component != nil:
		a.Selection = &selection{named: map[string]*selection{*a.Component: allOf}}
	default:
		a.Selection = allOf
	}
	var err error
	a.format, err = parseFormat(a.Format)
	return a, err
}

func (a *streamAsk) readQuery(r *http.Request) error {
	q := r.URL.Query()
	for name, into := range map[string]**string{"tableName": &a.Table, "component": &a.Component, "format": &a.Format} {
		if q.Has(name) {
			text := q.Get(name)
			*into = &text
		}
	}
	if q.Has("snapshot") {
		ts, err := strconv.ParseInt(q.Get("snapshot"), 10, 64)
		if err != nil {
			return badRequest("BadQueryString", "snapshot is no timestamp: %v", err)
		}
		a.Snapshot = &ts
	}
	if q.Has("cursor") {
		a.Cursor = json.RawMessage(q.Get("cursor"))
		if r.URL.Path == "/api/list_snapshot" { // there it is a string
			a.Cursor, _ = json.Marshal(q.Get("cursor")) // a string always marshals
		}
	}
	return nil
}

// selection says what is wanted at one level: components, tables, columns. One
// that was excluded as a whole has neither named ones nor others.
type selection struct {
	other bool
	named map[string]*selection
}

func (s *selection) UnmarshalJSON(text []byte) error { return s.read(text, 0) }

func (s *selection) read(text []byte, depth int) error {
	var word string
	if json.Unmarshal(text, &word) == nil {
		switch {
		case word == "excluded" || word == "excl":
			return nil
		case depth == 3 && (word == "included" || word == "incl"):
			s.other = true
			return nil
		}
		return fmt.Errorf("selection %q is not known", word)
	}
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil || parts == nil || depth == 3 {
		return fmt.Errorf("a selection is %q or says what it holds", "excluded")
	}
	switch string(parts["_other"]) {
	case `"included"`, `"incl"`:
		s.other = true
	case `"excluded"`, `"excl"`:
	default:
		return fmt.Errorf("a selection says by %q whether it holds what it does not name", "_other")
	}
	delete(parts, "_other")
	s.named = make(map[string]*selection, len(parts))
	for name, text := range parts {
		s.named[name] = &selection{}
		if err := s.named[name].read(text, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// allOf selects all.
var allOf = &selection{other: true}

// of is the selection within what has a name; nil: it is excluded.
func (s *selection) of(name string) *selection {
	in, named := s.named[name]
	switch {
	case !named && s.other:
		return allOf
	case !named || !in.other && len(in.named) == 0:
		return nil
	}
	return in
}

// columns are the wanted columns of a table; nil: the table is excluded.
func (s *selection) columns(ref tableRef) *selection {
	c := s.of(ref.component)
	if c == nil {
		return nil
	}
	return c.of(ref.table)
}

// streamRow writes a document with the stream's own fields before its own; doc
// is convex_encoded_json.
func (f valueFormat) streamRow(ref tableRef, ts uint64, own, doc string, columns *selection) (json.RawMessage, error) {
	b := []byte(`{"_component":`)
	b = value.Append(b, ref.component)
	b = append(b, `,"_table":`...)
	b = value.Append(b, ref.table)
	b = append(b, `,"_ts":`...)
	b = strconv.AppendUint(b, ts, 10)
	b = append(b, own...)
	text := []byte(doc)
	if len(columns.named) > 0 || !columns.other {
		v, err := value.Decode(text)
		if err != nil {
			return nil, err
		}
		all, _ := v.(value.Object)
		text = value.Append(nil, slices.DeleteFunc(slices.Clone(all), func(x value.Field) bool {
			return x.Name != "_id" && columns.of(x.Name) == nil
		}))
	}
	text, err := f.recode(text)
	if err != nil {
		return nil, err
	}
	b = append(b, ',')
	return append(b, text[1:]...), nil // there is an _id at least
}

// deltasAnswer is a page of document_deltas.
type deltasAnswer struct {
	Values  []json.RawMessage `json:"values"`
	Cursor  uint64            `json:"cursor"`
	HasMore bool              `json:"hasMore"`
}

func (d *Deployment) documentDeltas(r *http.Request) (*deltasAnswer, error) {
	a, err := d.readStreamAsk(r)
	if err != nil {
		return nil, err
	}
	if len(a.Cursor) == 0 || string(a.Cursor) == "null" {
		return nil, badRequest("DocumentDeltasCursorRequired", "/api/document_deltas requires a cursor")
	}
	cursor, err := strconv.ParseInt(string(a.Cursor), 10, 64)
	if err != nil || cursor < 0 {
		return nil, badRequest("InvalidTimestamp", "cursor %.40s is no timestamp", a.Cursor)
	}
	changes, until, more, ok := d.changesAfter(uint64(cursor), deltasPage)
	if !ok {
		return nil, badRequest("InvalidWindowToReadDocuments", "Trying to synchronize from timestamp %d, which is older than the database’s retention window.", cursor)
	}
	out := &deltasAnswer{Values: []json.RawMessage{}, Cursor: until, HasMore: more}
	view := d.View().snapshot
	for _, c := range changes {
		columns := a.Selection.columns(c.ref)
		s := view.space(c.ref.component)
		if columns == nil || s == nil || s.table(c.ref.table) == nil {
			continue
		}
		own, doc := `,"_deleted":false`, ""
		if c.doc == nil {
			own = `,"_deleted":true`
			doc = `{"_id":"` + s.table(c.ref.table).idOf(&document{id: c.id}) + `"}`
		} else {
			doc = c.doc.json
		}
		row, err := a.format.streamRow(c.ref, c.ts, own, doc, columns)
		if err != nil {
			return nil, err
		}
		out.Values = append(out.Values, row)
	}
	return out, nil
}

// snapshotAnswer is a page of list_snapshot.
type snapshotAnswer struct {
	Values   []json.RawMessage `json:"values"`
	Snapshot uint64            `json:"snapshot"`
	Cursor   *string           `json:"cursor"`
	HasMore  bool              `json:"hasMore"`
}

// snapshotCursor is the place after a document; ID "" is a table's beginning.
type snapshotCursor struct {
	Component string `json:"component"`
	Tablet    string `json:"tablet"`
	ID        string `json:"id"`
}

func (d *Deployment) listSnapshot(r *http.Request) (*snapshotAnswer, error) {
	a, err := d.readStreamAsk(r)
	if err != nil {
		return nil, err
	}
	view, err := d.snapshotOf(a.Snapshot)
	if err != nil {
		return nil, err
	}
	out := &snapshotAnswer{Values: []json.RawMessage{}, Snapshot: view.ts}
	tables := a.tables(view)
	var from [16]byte
	after := false
	if len(a.Cursor) > 0 && string(a.Cursor) != "null" {
		at, id, err := readSnapshotCursor(a.Cursor)
		if err != nil {
			return nil, badRequest("InvalidListSnapshotCursor", "Invalid value for the `cursor` argument of list_snapshot. Use a `cursor` returned by a previous list_snapshot call, and treat it as an opaque value.")
		}
		tables = slices.DeleteFunc(tables, func(t tableRef) bool { return compareTables(t, at) < 0 })
		if id != nil && len(tables) > 0 && tables[0] == at {
			from, after = *id, true
		}
	}
	if len(tables) == 0 {
		return out, nil
	}
	return out, a.snapshotPage(out, view, tables, from, after)
}

// snapshotOf is the data as of a moment; nil now.
func (d *Deployment) snapshotOf(ts *int64) (*snapshot, error) {
	if ts == nil {
		return d.View().snapshot, nil
	}
	if *ts < 0 || uint64(*ts) > max(d.View().snapshot.ts, uint64(d.now().UnixNano())) {
		return nil, badRequest("SnapshotTooNew", "Snapshot value %d is in the future.", *ts)
	}
	s, err := d.at(max(uint64(*ts), 1))
	if err != nil {
		return nil, badRequest("SnapshotTooOld", "Snapshot value %d is too far in the past.", *ts)
	}
	return s, nil
}

// snapshotPage fills a page: documents of one table.
func (a *streamAsk) snapshotPage(out *snapshotAnswer, view *snapshot, tables []tableRef, from [16]byte, after bool) error {
	at := tables[0]
	t := view.space(at.component).table(at.table)
	columns := a.Selection.columns(at)
	var failed error
	next := snapshotCursor{Component: at.component, Tablet: at.table}
	t.byID.Ascend(&document{id: from}, func(doc *document) bool {
		if after && doc.id == from {
			return true
		}
		if len(out.Values) == snapshotPage {
			out.HasMore = true
			return false
		}
		var row json.RawMessage
		row, failed = a.format.streamRow(at, view.ts, "", doc.json, columns)
		out.Values = append(out.Values, row)
		next.ID = t.idOf(doc)
		return failed == nil
	})
	if failed != nil {
		return failed
	}
	if !out.HasMore && len(tables) > 1 {
		out.HasMore = true
		next = snapshotCursor{Component: tables[1].component, Tablet: tables[1].table}
	}
	if out.HasMore {
		text, err := json.Marshal(next)
		if err != nil {
			return err
		}
		cursor := string(text)
		out.Cursor = &cursor
	}
	return nil
}

// tables are the selected user tables in the order of their pages.
func (a *streamAsk) tables(view *snapshot) (out []tableRef) {
	for _, component := range slices.Sorted(maps.Keys(view.spaces)) {
		for _, t := range view.space(component).userTables() {
			if ref := (tableRef{component, t.name}); a.Selection.columns(ref) != nil {
				out = append(out, ref)
			}
		}
	}
	return out
}

func compareTables(a, b tableRef) int {
	return cmp.Or(strings.Compare(a.component, b.component), strings.Compare(a.table, b.table))
}

func readSnapshotCursor(text json.RawMessage) (at tableRef, after *[16]byte, err error) {
	var inner string
	var c snapshotCursor
	if err := json.Unmarshal(text, &inner); err != nil {
		return at, nil, err
	}
	if err := json.Unmarshal([]byte(inner), &c); err != nil || c.Tablet == "" {
		return at, nil, cmp.Or(err, io.ErrUnexpectedEOF)
	}
	at = tableRef{c.Component, c.Tablet}
	if c.ID == "" {
		return at, nil, nil
	}
	id, err := value.ParseID(c.ID)
	if err != nil {
		return at, nil, err
	}
	return at, &id.Internal, nil
}
