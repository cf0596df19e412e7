package local

import (
	"context"
	"fmt"
	"strings"

	"strait/model/value"
)

// manyWrites is the size from which a load is remembered as a change of the
// whole table rather than of each document.
const manyWrites = 1000

// Insert loads documents from the host: it keeps given _id and _creationTime
// and creates component and table; of the system tables it takes "_storage".
// It does not enforce the schema and knows no transaction limits; all
// documents or none are there afterwards.
func (d *Deployment) Insert(ctx context.Context, component, table string, docs []value.Object) ([]string, error) {
	var ids []string
	_, err := d.load(ctx, component, func(tx *transaction) error {
		ids = make([]string, 0, len(docs))
		t, err := tx.loadTable(component, table, numberOf(docs))
		if err != nil {
			return err
		}
		for i, doc := range docs {
			if i%1024 == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			id, err := tx.load(component, t, doc)
			if err != nil {
				return fmt.Errorf("load document %d into table %q: %w", i+1, table, err)
			}
			ids = append(ids, id.String())
		}
		return nil
	})
	return ids, err
}

// load runs fn in a transaction in which the component's space exists.
func (d *Deployment) load(ctx context.Context, component string, fn func(*transaction) error) (uint64, error) {
	for {
		tx := d.begin(d.latest.Load())
		tx.bulk = true
		if tx.space(component) == nil {
			s := newSpace(component)
			s.frame = tx.frame
			tx.spaces[component] = s
		}
		if err := fn(tx); err != nil {
			return 0, err
		}
		ts, err := d.commit(tx, "import")
		if _, lost := err.(*conflict); lost && ctx.Err() == nil {
			continue
		}
		return ts, err
	}
}

// numberOf is the table number in the first given id; 0 without one.
func numberOf(docs []value.Object) uint32 {
	for _, doc := range docs {
		if v, ok := doc.Get("_id"); ok {
			text, _ := v.(string)
			if id, err := value.ParseID(text); err == nil {
				return id.Table
			}
		}
	}
	return 0
}

// loadTable finds or makes a table, with a number of the caller's choice when
// that is free (0: the next free one).
func (tx *transaction) loadTable(component, name string, number uint32) (*table, error) {
	s := tx.own(component)
	if t := s.table(name); t != nil && (name == storageTable || !strings.HasPrefix(name, "_")) {
		return t, nil
	}
	if err := checkTableName(name); err != nil {
		return nil, err
	}
	if number == 0 {
		number = s.freeNumber()
	}
	if other := s.tableByNumber(number); other != nil {
		return nil, fmt.Errorf("make table %q: its number %d belongs to table %q; import into an empty deployment, or leave out the ids", name, number, other.name)
	}
	t := newTable(name, number)
	t.frame = tx.frame
	s.add(t)
	tx.made(component, name)
	return t, nil
}

func (tx *transaction) made(component, name string) {
	if tx.created == nil {
		tx.created = map[tableRef]struct{}{}
	}
	tx.created[tableRef{component, name}] = struct{}{}
}

// load writes one document without checks of the schema.
func (tx *transaction) load(component string, t *table, doc value.Object) (value.ID, error) {
	id, stored, full, err := tx.d.loaded(t, doc, tx.nextTime)
	if err != nil {
		return id, err
	}
	if tx.space(component).table(t.name).get(id.Internal) != nil {
		return id, fmt.Errorf("its _id %s is taken", id)
	}
	tx.apply(component, t.name, nil, nil, stored, full)
	return id, nil
}

// loaded makes a stored document of one that may bring its _id and
// _creationTime; now makes the time of one that brings none.
func (d *Deployment) loaded(t *table, doc value.Object, now func() float64) (value.ID, *document, value.Object, error) {
	id := value.ID{Table: t.number}
	if v, ok := doc.Get("_id"); ok {
		text, _ := v.(string)
		given, err := value.ParseID(text)
		if err != nil {
			return id, nil, nil, fmt.Errorf("its _id: %w", err)
		}
		if given.Table != t.number {
			return id, nil, nil, fmt.Errorf("its _id %s belongs to table number %d, the table has %d", text, given.Table, t.number)
		}
		id = given
	} else {
		id.Internal = d.newID()
	}
	created, ok := 0.0, false
	if v, given := doc.Get("_creationTime"); given {
		if created, ok = v.(float64); !ok {
			return id, nil, nil, fmt.Errorf("its _creationTime is no number")
		}
	}
	if !ok {
		created = now()
	}
	fields := doc.Without("_id").Without("_creationTime")
	if err := checkUserFields(fields); err != nil {
		return id, nil, nil, err
	}
	full := withSystem(fields, id, created)
	if err := value.CheckLimits(full); err != nil {
		return id, nil, nil, err
	}
	return id, encodeDocument(id, created, full), full, nil
}

// DefineTable creates an empty table with a number of the caller's choice
// (0: the next free one), for imports, so that ids survive. A table that is
// there already must have that number.
func (d *Deployment) DefineTable(component, table string, number uint32) error {
	_, err := d.load(d.ctx, component, func(tx *transaction) error {
		t, err := tx.loadTable(component, table, number)
		if err == nil && number != 0 && t.number != number {
			return fmt.Errorf("define table %q with number %d: it is there with number %d", table, number, t.number)
		}
		return err
	})
	return err
}

// DeleteTable removes a table with its documents. One that the active schema
// names stays (convex-wire.md 9.2).
func (d *Deployment) DeleteTable(component, table string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	latest := d.latest.Load()
	s := latest.space(component)
	if d.closed {
		return errClosed
	}
	if s == nil || s.table(table) == nil || checkTableName(table) != nil {
		return fmt.Errorf("delete table %q: there is no such table", table)
	}
	if s.schema.active.Table(table) != nil {
		return userErrorf("TableInSchema", "Failed to delete table %q because it appears in the schema", table)
	}
	next := latest.with(component, func(own *space) { own.drop(table) })
	d.publish(next, &commit{
		source: "delete table", epoch: true, unseen: true,
		whole:   map[tableRef]struct{}{{component, table}: {}},
		schemas: map[string]struct{}{component: {}},
	}, int(s.table(table).bytes))
	return nil
}

// with is the snapshot with a changed copy of one component.
func (s *snapshot) with(component string, change func(*space)) *snapshot {
	next := &snapshot{code: s.code, spaces: make(map[string]*space, len(s.spaces))}
	for path, sp := range s.spaces {
		next.spaces[path] = sp
	}
	own := next.spaces[component].copy(0)
	change(own)
	next.spaces[component] = own
	return next
}

// Writer writes documents in a transaction of Update.
type Writer struct {
	tx        *transaction
	component string
}

// Update runs fn in a transaction of the host with schema enforcement, within
// the limits of a mutation, and answers the commit's timestamp. On a conflict
// fn runs again. It serves the dashboard's mutations.
func (d *Deployment) Update(ctx context.Context, component string, fn func(*Writer) error) (uint64, error) {
	ctx, leave, err := d.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	return d.hostAt(ctx, component, "dashboard", func(tx *transaction) error { return fn(&Writer{tx, component}) })
}

// Insert adds a document without system fields and returns its id.
func (w *Writer) Insert(table string, doc value.Object) (string, error) {
	id, err := w.tx.insert(w.component, table, doc)
	if err != nil {
		return "", err
	}
	return id.String(), nil
}

// Get reads a document as the transaction sees it.
func (w *Writer) Get(id string) (value.Object, bool) {
	parsed, err := value.ParseID(id)
	if err != nil {
		return nil, false
	}
	t := w.tx.find(w.component, parsed)
	if t == nil {
		return nil, false
	}
	d, err := w.tx.get(w.component, t, parsed)
	if d == nil || err != nil {
		return nil, false
	}
	doc, err := decodeDocument(d)
	return doc, err == nil
}

// Patch merges fields into a document; Undefined removes one.
func (w *Writer) Patch(id string, fields value.Object) error {
	return w.write(id, func(id value.ID) error {
		_, err := w.tx.replace(w.component, id, fields, true)
		return err
	})
}

// Replace replaces all but the system fields.
func (w *Writer) Replace(id string, doc value.Object) error {
	return w.write(id, func(id value.ID) error {
		_, err := w.tx.replace(w.component, id, doc, false)
		return err
	})
}

// Delete removes a document.
func (w *Writer) Delete(id string) error {
	return w.write(id, func(id value.ID) error {
		_, err := w.tx.remove(w.component, id)
		return err
	})
}

func (w *Writer) write(id string, do func(value.ID) error) error {
	parsed, err := value.ParseID(id)
	if err != nil {
		return err
	}
	if t := w.tx.find(w.component, parsed); t != nil && checkTableName(t.name) != nil {
		return fmt.Errorf("write document %s: table %q is the deployment's own", id, t.name)
	}
	return do(parsed)
}
