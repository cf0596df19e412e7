package local

import (
	"encoding/binary"
	"maps"
	"math"
	"strings"
	"sync"

	"strait/model/schema"
	"strait/model/value"
)

// transaction is one read-write view of the deployment. It works on clones of
// the tables that it writes, so reads see its writes, and a subtransaction is
// undone by putting the old clones back. It belongs to one goroutine.
type transaction struct {
	d      *Deployment
	base   *snapshot
	spaces map[string]*space // own versions; others are base's
	frame  uint64

	reads    ReadSet
	usage    usage
	limits   Limits
	writes   []write
	created  map[tableRef]struct{}
	bulk     bool            // a load: its commit is logged by table, not by document
	oldBytes int             // documents that the commit takes out of the newest version
	lastTime uint64          // last creation time given out, sortable
	announce func(ts uint64) // of the commit; nil nobody asks
}

// write is one change of a document, in the order of the transaction.
type write struct {
	ref      tableRef
	old, new *document
	keys     []keyChange
}

func (d *Deployment) begin(base *snapshot) *transaction {
	return &transaction{
		d: d, base: base, spaces: map[string]*space{},
		frame: d.frames.Add(1), limits: d.limits,
	}
}

// savepoint is what a subtransaction goes back to.
type savepoint struct {
	spaces   map[string]*space
	frame    uint64
	writes   int
	created  map[tableRef]struct{}
	usage    usage
	oldBytes int
}

// save begins a subtransaction.
func (tx *transaction) save() savepoint {
	s := savepoint{
		maps.Clone(tx.spaces), tx.frame, len(tx.writes), maps.Clone(tx.created), tx.usage, tx.oldBytes,
	}
	tx.frame = tx.d.frames.Add(1)
	return s
}

// keep ends a subtransaction with success.
func (tx *transaction) keep(s savepoint) { tx.frame = s.frame }

// undo takes back what the subtransaction wrote; what it read still counts.
func (tx *transaction) undo(s savepoint) {
	tx.spaces, tx.frame, tx.created, tx.oldBytes = s.spaces, s.frame, s.created, s.oldBytes
	tx.writes = tx.writes[:s.writes]
	read := tx.usage.Usage
	tx.usage = s.usage
	tx.usage.DocumentsRead, tx.usage.BytesRead, tx.usage.IndexRanges = read.DocumentsRead, read.BytesRead, read.IndexRanges
}

// space is the component's data as the transaction sees it.
func (tx *transaction) space(component string) *space {
	if s, ok := tx.spaces[component]; ok {
		return s
	}
	return tx.base.spaces[component]
}

// own is the component's data as this subtransaction's own copy.
func (tx *transaction) own(component string) *space {
	s := tx.space(component)
	if s.frame < tx.frame {
		s = s.copy(tx.frame)
		tx.spaces[component] = s
	}
	return s
}

// spacesOver is all data with the transaction's own versions in their place.
func (tx *transaction) spacesOver(latest *snapshot) map[string]*space {
	out := maps.Clone(latest.spaces)
	maps.Copy(out, tx.spaces)
	return out
}

// rebase repeats the writes on a newer snapshot that did not touch what was
// read.
func (tx *transaction) rebase(latest *snapshot) (map[string]*space, error) {
	out := maps.Clone(latest.spaces)
	frame := tx.d.frames.Add(1)
	own := func(component string) *space {
		switch s := out[component]; {
		case s == nil:
			out[component] = newSpace(component)
			out[component].frame = frame
		case s.frame < frame:
			out[component] = s.copy(frame)
		}
		return out[component]
	}
	for ref := range tx.created {
		s := own(ref.component)
		mine := tx.space(ref.component).table(ref.table)
		if s.table(ref.table) != nil || s.tableByNumber(mine.number) != nil {
			return nil, &conflict{table: ref.table, component: ref.component}
		}
		t := newTable(ref.table, mine.number)
		t.frame = frame
		s.add(t)
	}
	for _, w := range tx.writes {
		t := own(w.ref.component).writable(w.ref.table, frame)
		var current *document
		if t != nil {
			current = t.get(w.either().id)
		}
		if t == nil || current != w.old {
			return nil, &conflict{table: w.ref.table, component: w.ref.component}
		}
		t.change(w.old, w.new, w.keys)
	}
	return out, nil
}

func (w *write) either() *document {
	if w.new != nil {
		return w.new
	}
	return w.old
}

// logged is what the deployment remembers of the writes: of a load only which
// tables it touched.
func (tx *transaction) logged() (writes []loggedWrite, whole map[tableRef]struct{}) {
	whole = maps.Clone(tx.created)
	if tx.bulk && len(tx.writes) > manyWrites {
		if whole == nil {
			whole = map[tableRef]struct{}{}
		}
		for _, w := range tx.writes {
			whole[w.ref] = struct{}{}
		}
		return nil, whole
	}
	out := make([]loggedWrite, len(tx.writes))
	names := map[tableRef][]string{}
	for i, w := range tx.writes {
		l := loggedWrite{ref: w.ref, id: w.either().id, keys: w.keys}
		if w.old != nil {
			l.hadOld, l.oldCreated = true, w.old.created
		}
		if w.new != nil {
			l.hasNew, l.newCreated, l.doc = true, w.new.created, w.new
		}
		if len(w.keys) > 0 {
			n, ok := names[w.ref]
			if !ok {
				for _, ix := range tx.space(w.ref.component).table(w.ref.table).indexes {
					n = append(n, ix.def.Name)
				}
				names[w.ref] = n
			}
			l.indexes = n
		}
		out[i] = l
	}
	return out, whole
}

// nextTime is the creation time of the next document: after all that were
// there when the transaction began.
func (tx *transaction) nextTime() float64 {
	if tx.lastTime == 0 {
		now := float64(tx.d.now().UnixMicro()) / 1000
		tx.lastTime = max(sortable(now), tx.d.newest.Load()+1)
	} else {
		tx.lastTime++
	}
	tx.d.sawTime(tx.lastTime)
	return unsortable(tx.lastTime)
}

// find resolves an id to its table; nil without one.
func (tx *transaction) find(component string, id value.ID) *table {
	return tx.space(component).tableByNumber(id.Table)
}

// get reads a document by id; nil without it.
func (tx *transaction) get(component string, t *table, id value.ID) (*document, error) {
	tx.reads.addPoint(tableRef{component, t.name}, id.Internal)
	if err := tx.countRanges(); err != nil {
		return nil, err
	}
	doc := t.get(id.Internal)
	if doc == nil {
		return nil, nil
	}
	return doc, tx.countRead(doc)
}

// insert adds a document without system fields.
func (tx *transaction) insert(component, tableName string, fields value.Object) (value.ID, error) {
	if err := checkUserFields(fields); err != nil {
		return value.ID{}, err
	}
	t, err := tx.ensureTable(component, tableName)
	if err != nil {
		return value.ID{}, err
	}
	id := value.ID{Table: t.number, Internal: tx.d.newID()}
	created := tx.nextTime()
	if err := tx.enforce(component, t.name, fields); err != nil {
		return value.ID{}, err
	}
	doc := withSystem(fields, id, created)
	if err := value.CheckLimits(doc); err != nil {
		return value.ID{}, &userError{code: "InvalidDocument", message: err.Error()}
	}
	return id, tx.put(component, t.name, nil, nil, encodeDocument(id, created, doc), doc)
}

// replace gives a document new fields; merge says that fields are merged into
// the old ones. method is patch or replace, for texts.
func (tx *transaction) replace(component string, id value.ID, fields value.Object, merge bool) (*document, error) {
	verb := "Replace"
	if merge {
		verb = "Update"
	}
	t, old, oldDoc, err := tx.existing(component, id, verb)
	if err != nil {
		return nil, err
	}
	fields, err = tidySystem(fields, oldDoc)
	if err != nil {
		return nil, err
	}
	var doc value.Object
	if merge {
		doc = mergeFields(oldDoc, fields)
	} else {
		doc = withSystem(dropUndefined(fields), id, unsortable(old.created))
	}
	if err := tx.enforceStored(component, t.name, doc); err != nil {
		return nil, err
	}
	if err := value.CheckLimits(doc); err != nil {
		return nil, &userError{code: "InvalidDocument", message: err.Error()}
	}
	stored := encodeDocument(id, unsortable(old.created), doc)
	return stored, tx.put(component, t.name, old, oldDoc, stored, doc)
}

// remove deletes a document and returns what it was.
func (tx *transaction) remove(component string, id value.ID) (*document, error) {
	t, old, oldDoc, err := tx.existing(component, id, "Delete")
	if err != nil {
		return nil, err
	}
	return old, tx.put(component, t.name, old, oldDoc, nil, nil)
}

func (tx *transaction) existing(component string, id value.ID, verb string) (*table, *document, value.Object, error) {
	t := tx.find(component, id)
	if t == nil {
		return nil, nil, nil, userErrorf("TableNotFound", "Table for ID %q not found", id.String())
	}
	old, err := tx.get(component, t, id)
	if err != nil {
		return nil, nil, nil, err
	}
	if old == nil {
		return nil, nil, nil, userErrorf("DocumentNotFound", "%s on nonexistent document ID %s", verb, id.String())
	}
	doc, err := decodeDocument(old)
	return t, old, doc, err
}

// put writes one change of a user's document and counts it.
func (tx *transaction) put(component, tableName string, old *document, oldDoc value.Object, new *document, newDoc value.Object) error {
	size := 0
	if new != nil {
		size = int(new.size)
		u := &tx.usage
		if size > u.biggest.n && size > 1<<19 {
			u.biggest.id, u.biggest.n = tx.space(component).table(tableName).idOf(new), size
		}
		if n := depth(newDoc); n > u.deepest.n && n > 8 {
			u.deepest.id, u.deepest.n = tx.space(component).table(tableName).idOf(new), n
		}
	}
	if err := tx.countWrite(size); err != nil {
		return err
	}
	tx.apply(component, tableName, old, oldDoc, new, newDoc)
	return nil
}

// apply writes one change without counting it against the limits.
func (tx *transaction) apply(component, tableName string, old *document, oldDoc value.Object, new *document, newDoc value.Object) {
	t := tx.own(component).writable(tableName, tx.frame)
	keys := t.keysFor(old, new, oldDoc, newDoc)
	t.change(old, new, keys)
	if old != nil {
		tx.oldBytes += len(old.json)
	}
	tx.writes = append(tx.writes, write{tableRef{component, tableName}, old, new, keys})
}

// ensureTable finds the table called name, making it when a user may.
func (tx *transaction) ensureTable(component, name string) (*table, error) {
	if t := tx.space(component).table(name); t != nil && !strings.HasPrefix(name, "_") {
		return t, nil
	}
	if err := checkTableName(name); err != nil {
		return nil, err
	}
	s := tx.own(component)
	t := newTable(name, s.freeNumber())
	t.frame = tx.frame
	s.add(t)
	tx.made(component, name)
	return t, nil
}

// enforce checks fields without system fields against the active schema
// (convex-wire.md 9.2).
func (tx *transaction) enforce(component, tableName string, fields value.Object) error {
	s := tx.space(component)
	t := s.schema.byName[tableName]
	if t == nil || t.Document.Fits(fields, s) {
		return nil
	}
	return misfit(t, fields, s)
}

// enforceStored is enforce for a whole document.
func (tx *transaction) enforceStored(component, tableName string, doc value.Object) error {
	s := tx.space(component)
	t := s.schema.byName[tableName]
	if t == nil || t.FitsDocument(doc, s) {
		return nil
	}
	return misfit(t, doc, s)
}

func misfit(t *schema.Table, doc value.Object, ids schema.Tables) error {
	bad := t.CheckDocument(doc, ids)
	if len(bad) == 0 {
		return nil
	}
	return userErrorf("SchemaEnforcementError",
		"Failed to insert or update a document in table %q because it does not match the schema: %s", t.Name, bad[0].Message)
}

// sawTime keeps the newest creation time given out.
func (d *Deployment) sawTime(t uint64) {
	for {
		old := d.newest.Load()
		if t <= old || d.newest.CompareAndSwap(old, t) {
			return
		}
	}
}

// newID makes an internal id: 14 random bytes and the day (convex-wire.md 8.6).
func (d *Deployment) newID() (id [16]byte) {
	d.random.fill(id[:14])
	binary.BigEndian.PutUint16(id[14:], uint16(d.now().Unix()/86400))
	return id
}

func encodeDocument(id value.ID, created float64, doc value.Object) *document {
	buf := buffers.Get().(*[]byte)
	*buf = value.Append((*buf)[:0], doc)
	d := &document{
		id: id.Internal, created: sortable(created),
		json: string(*buf), size: uint32(min(value.Size(doc), math.MaxUint32)),
	}
	if cap(*buf) <= 1<<16 {
		buffers.Put(buf)
	}
	return d
}

// buffers are where documents are written before their text is copied.
var buffers = sync.Pool{New: func() any { return new([]byte) }}

// withSystem puts the system fields into their places.
func withSystem(fields value.Object, id value.ID, created float64) value.Object {
	out := make(value.Object, 0, len(fields)+2)
	i := 0
	for i < len(fields) && fields[i].Name < "_creationTime" {
		i++
	}
	out = append(out, fields[:i]...)
	out = append(out, value.Field{Name: "_creationTime", Value: created}, value.Field{Name: "_id", Value: id.String()})
	return append(out, fields[i:]...)
}

// withoutSystem leaves out the fields whose names begin with an underscore.
func withoutSystem(doc value.Object) value.Object {
	out := make(value.Object, 0, len(doc))
	for _, f := range doc {
		if !strings.HasPrefix(f.Name, "_") {
			out = append(out, f)
		}
	}
	return out
}

func dropUndefined(o value.Object) value.Object {
	for i, f := range o {
		if _, gone := f.Value.(value.Undefined); gone {
			out := append(value.Object(nil), o[:i]...)
			for _, f := range o[i:] {
				if _, gone := f.Value.(value.Undefined); !gone {
					out = append(out, f)
				}
			}
			return out
		}
	}
	return o
}

// mergeFields lays patch over old; both are sorted.
func mergeFields(old, patch value.Object) value.Object {
	out := make(value.Object, 0, len(old)+len(patch))
	for len(old) > 0 || len(patch) > 0 {
		switch {
		case len(patch) == 0 || len(old) > 0 && old[0].Name < patch[0].Name:
			out = append(out, old[0])
			old = old[1:]
		default:
			if len(old) > 0 && old[0].Name == patch[0].Name {
				old = old[1:]
			}
			if _, gone := patch[0].Value.(value.Undefined); !gone {
				out = append(out, patch[0])
			}
			patch = patch[1:]
		}
	}
	return out
}

// tidySystem takes _id and _creationTime out of given fields; they may only
// repeat what the document has.
func tidySystem(fields, old value.Object) (value.Object, error) {
	var out value.Object
	for i, f := range fields {
		if !strings.HasPrefix(f.Name, "_") {
			if out != nil {
				out = append(out, f)
			}
			continue
		}
		if f.Name != "_id" && f.Name != "_creationTime" {
			return nil, reservedField(f.Name)
		}
		if was, _ := old.Get(f.Name); !value.Equal(was, f.Value) {
			return nil, systemFieldMismatch(f.Name)
		}
		if out == nil {
			out = append(make(value.Object, 0, len(fields)), fields[:i]...)
		}
	}
	if out == nil {
		return fields, nil
	}
	return out, nil
}

func systemFieldMismatch(name string) error {
	if name == "_id" {
		return userErrorf("SystemFieldError", "Provided document `_id` field must match the document ID")
	}
	return userErrorf("SystemFieldError", "Provided `%s` field must match the existing value", name)
}

func reservedField(name string) error {
	return userErrorf("SystemFieldError", "Field '%s' starts with an underscore, which is only allowed for system fields like '_id'", name)
}

func checkUserFields(fields value.Object) error {
	for _, f := range fields {
		if strings.HasPrefix(f.Name, "_") {
			return reservedField(f.Name)
		}
	}
	return nil
}

// checkTableName keeps to the rules of identifiers (convex-wire.md 8.5).
func checkTableName(name string) error {
	if strings.HasPrefix(name, "_") {
		return userErrorf("SystemTableError", "System tables can only be accessed with db.system.")
	}
	ok := name != "" && len(name) <= 64
	for i := 0; ok && i < len(name); i++ {
		c := name[i]
		ok = c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || i > 0 && c >= '0' && c <= '9'
	}
	if !ok {
		return userErrorf("InvalidTableName", "%q is not a valid table name: use letters, digits and underscores, at most 64, the first no digit", name)
	}
	return nil
}

// depth is the nesting of a value: 1 for an object of scalars.
func depth(v value.Value) int {
	n := 0
	switch v := v.(type) {
	case value.Object:
		for _, f := range v {
			n = max(n, depth(f.Value))
		}
	case value.Array:
		for _, e := range v {
			n = max(n, depth(e))
		}
	default:
		return 0
	}
	return n + 1
}
