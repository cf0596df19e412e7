package local

import (
	"bytes"
	"maps"
	"slices"
	"sort"
	"strings"
	"sync"

	"github.com/tidwall/btree"

	"strait/convex/jsrun"
	"strait/model/schema"
	"strait/model/value"
)

// Numbers of tables (convex-wire.md 8.6).
const (
	scheduledNumber = 514
	storageNumber   = 515
	firstUserNumber = 10001

	scheduledTable = "_scheduled_functions"
	storageTable   = "_storage"
)

// document is one stored document: never changed, replaced as a whole.
type document struct {
	json    string // canonical convex_encoded_json, system fields included
	created uint64 // sortable(_creationTime)
	id      [16]byte
	size    uint32 // Convex's size (8.5)
}

func lessID(a, b *document) bool { return bytes.Compare(a.id[:], b.id[:]) < 0 }

func lessTime(a, b *document) bool {
	if a.created != b.created {
		return a.created < b.created
	}
	return lessID(a, b)
}

// entry is one entry of a declared index.
type entry struct {
	key string
	doc *document
}

func lessEntry(a, b entry) bool { return a.key < b.key }

// index is a declared database index of a table.
type index struct {
	def    schema.Index
	hidden bool // of the deployment's own
	tree   *btree.BTreeG[entry]
}

// table is one table in one version. Published tables are never changed;
// a transaction changes its own clone, of which the trees share all nodes that
// it did not touch.
type table struct {
	name    string
	number  uint32
	frame   uint64 // the subtransaction that owns this clone
	byID    *btree.BTreeG[*document]
	byTime  *btree.BTreeG[*document]
	indexes []*index
	search  []schema.Index // search and vector indexes: answered by scanning
	bytes   int64
}

func newTable(name string, number uint32) *table {
	opts := btree.Options{NoLocks: true}
	return &table{
		name: name, number: number,
		byID:   btree.NewBTreeGOptions(lessID, opts),
		byTime: btree.NewBTreeGOptions(lessTime, opts),
	}
}

func newIndex(def schema.Index) *index {
	return &index{def: def, tree: btree.NewBTreeGOptions(lessEntry, btree.Options{NoLocks: true})}
}

// copying serialises the copying of trees: it marks the original as well.
var copying sync.Mutex

// clone copies the table in O(indexes) for the subtransaction frame.
func (t *table) clone(frame uint64) *table {
	copying.Lock()
	defer copying.Unlock()
	c := *t
	c.frame = frame
	c.byID, c.byTime = t.byID.Copy(), t.byTime.Copy()
	c.indexes = make([]*index, len(t.indexes))
	for i, ix := range t.indexes {
		x := *ix
		x.tree = ix.tree.Copy()
		c.indexes[i] = &x
	}
	return &c
}

func (t *table) index(name string) *index {
	for _, ix := range t.indexes {
		if ix.def.Name == name {
			return ix
		}
	}
	return nil
}

func (t *table) get(id [16]byte) *document {
	d, _ := t.byID.Get(&document{id: id})
	return d
}

// idOf is the text of a document's id.
func (t *table) idOf(d *document) string {
	return value.ID{Table: t.number, Internal: d.id}.String()
}

// change replaces old by new (nil: none) in every tree. keys tells the keys
// in the declared indexes, in their order.
func (t *table) change(old, new *document, keys []keyChange) {
	if old != nil && (new == nil || old.created != new.created) {
		t.byTime.Delete(old)
	}
	if old != nil {
		t.bytes -= int64(len(old.json))
	}
	if new == nil {
		t.byID.Delete(old)
	} else {
		t.byID.Set(new)
		t.byTime.Set(new)
		t.bytes += int64(len(new.json))
	}
	for i, ix := range t.indexes {
		k := keys[i]
		if old != nil && (new == nil || k.old != k.new) {
			ix.tree.Delete(entry{key: k.old})
		}
		if new != nil {
			ix.tree.Set(entry{k.new, new})
		}
	}
}

// keyChange is a document's key in one declared index before and after.
type keyChange struct{ old, new string }

// keysFor computes the changes of keys in the declared indexes.
func (t *table) keysFor(old, new *document, oldDoc, newDoc value.Object) []keyChange {
	if len(t.indexes) == 0 {
		return nil
	}
	keys := make([]keyChange, len(t.indexes))
	for i, ix := range t.indexes {
		if old != nil {
			keys[i].old = secondaryKey(ix.def.Fields, old, oldDoc)
		}
		if new == nil {
			continue
		}
		if old != nil && old.created == new.created && sameFields(oldDoc, newDoc, ix.def.Fields) {
			keys[i].new = keys[i].old
			continue
		}
		keys[i].new = secondaryKey(ix.def.Fields, new, newDoc)
	}
	return keys
}

func sameFields(a, b value.Object, paths []string) bool {
	for _, p := range paths {
		if !value.Equal(value.Lookup(a, p), value.Lookup(b, p)) {
			return false
		}
	}
	return true
}

// build fills an index that was added to the table.
func (ix *index) build(t *table) error {
	var failed error
	t.byTime.Scan(func(d *document) bool {
		doc, err := decodeDocument(d)
		if err != nil {
			failed = err
			return false
		}
		ix.tree.Set(entry{secondaryKey(ix.def.Fields, d, doc), d})
		return true
	})
	return failed
}

// decodeDocument reads a stored document, system fields included.
func decodeDocument(d *document) (value.Object, error) {
	v, err := value.Decode(view(d.json))
	if err != nil {
		return nil, err
	}
	o, _ := v.(value.Object)
	return o, nil
}

// space is the data of one component in one version: immutable.
type space struct {
	path    string
	frame   uint64         // the subtransaction that owns this copy
	tables  []*table       // in order of creation
	names   map[string]int // name -> place in tables
	numbers map[uint32]int
	schema  *schemaVersion
}

// schemaVersion is what a component's schema is in one version.
type schemaVersion struct {
	active *schema.Schema
	id     string                   // of the submission that became active; "" without a schema
	byName map[string]*schema.Table // of active, when it is enforced
}

func newSchemaVersion(s *schema.Schema) *schemaVersion {
	v := &schemaVersion{active: s}
	if s != nil && s.Validation {
		v.byName = make(map[string]*schema.Table, len(s.Tables))
		for _, t := range s.Tables {
			v.byName[t.Name] = t
		}
	}
	return v
}

func newSpace(path string) *space {
	jobs := newTable(scheduledTable, scheduledNumber)
	next := newIndex(schema.Index{Kind: schema.DatabaseIndex, Name: "by_next", Fields: []string{jobNext}})
	next.hidden = true
	jobs.indexes = []*index{next}
	s := &space{
		path:    path,
		tables:  []*table{jobs, newTable(storageTable, storageNumber)},
		names:   map[string]int{scheduledTable: 0, storageTable: 1},
		numbers: map[uint32]int{scheduledNumber: 0, storageNumber: 1},
		schema:  newSchemaVersion(nil),
	}
	return s
}

func (s *space) table(name string) *table {
	if i, ok := s.names[name]; ok {
		return s.tables[i]
	}
	return nil
}

func (s *space) tableByNumber(number uint32) *table {
	if i, ok := s.numbers[number]; ok {
		return s.tables[i]
	}
	return nil
}

// TableName makes a space a schema.Tables.
func (s *space) TableName(number uint32) (string, bool) {
	if t := s.tableByNumber(number); t != nil {
		return t.name, true
	}
	return "", false
}

// copy copies the list of tables for a subtransaction; names and numbers stay
// shared.
func (s *space) copy(frame uint64) *space {
	c := *s
	c.frame = frame
	c.tables = slices.Clone(s.tables)
	return &c
}

// writable is the table called name as frame's own clone; nil without it. The
// space must be frame's own.
func (s *space) writable(name string, frame uint64) *table {
	i, ok := s.names[name]
	if !ok {
		return nil
	}
	if s.tables[i].frame < frame {
		s.tables[i] = s.tables[i].clone(frame)
	}
	return s.tables[i]
}

// add puts a new table into a copied space.
func (s *space) add(t *table) {
	s.names, s.numbers = maps.Clone(s.names), maps.Clone(s.numbers)
	s.names[t.name], s.numbers[t.number] = len(s.tables), len(s.tables)
	s.tables = append(s.tables, t)
}

// drop removes a table from a copied space.
func (s *space) drop(name string) {
	i, ok := s.names[name]
	if !ok {
		return
	}
	s.tables = slices.Delete(s.tables, i, i+1)
	s.names, s.numbers = map[string]int{}, map[uint32]int{}
	for i, t := range s.tables {
		s.names[t.name], s.numbers[t.number] = i, i
	}
}

// freeNumber is the least free number for a user table.
func (s *space) freeNumber() uint32 {
	n := uint32(firstUserNumber)
	for {
		if _, taken := s.numbers[n]; !taken {
			return n
		}
		n++
	}
}

// userTables are the tables of the user by name.
func (s *space) userTables() []*table {
	var out []*table
	for _, t := range s.tables {
		if !strings.HasPrefix(t.name, "_") {
			out = append(out, t)
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].name < out[j].name })
	return out
}

// code is the deployed code in one version.
type code struct {
	epoch   uint64
	app     *jsrun.App
	handles map[string]functionAddress // handle id -> function
	ids     map[functionAddress]string
	source  *pushedSource // what the official CLI pushed; nil for a push by Strait
	event   *pushEvent    // of the last push of code; nil before the first

	variables map[string]*string // changed by clients, nil: removed; they outlive a push
}

// functionAddress is a function of a component.
type functionAddress struct{ component, path string }

// snapshot is the whole deployment at one timestamp: immutable.
type snapshot struct {
	ts     uint64
	code   *code
	spaces map[string]*space
}

func (s *snapshot) space(path string) *space { return s.spaces[path] }
