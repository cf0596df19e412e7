package local

import (
	"maps"
	"slices"

	"strait/model/schema"
)

// importPlan is what an import is going to do with every table that it
// touches, worked out on one snapshot.
type importPlan struct {
	mode   ImportMode
	base   *snapshot
	source *importSource
	spaces map[string]*importSpace
}

// importSpace is a component as the import leaves it. Its tables are hidden
// until the last step.
type importSpace struct {
	component string
	base      *space // nil: a component that nobody knew
	schema    *schemaVersion
	hidden    map[string]*hiddenTable
	dropped   map[string]bool
	numbers   map[uint32]string // of all tables as they will be
}

// hiddenTable is a table in the making. One that is appended to holds the new
// documents only.
type hiddenTable struct {
	*table
	appended bool
}

// TableName makes the space a schema.Tables, as it will be.
func (s *importSpace) TableName(number uint32) (string, bool) {
	name, ok := s.numbers[number]
	return name, ok
}

func (p *importPlan) space(component string) *importSpace {
	s := p.spaces[component]
	if s != nil {
		return s
	}
	s = &importSpace{
		component: component, base: p.base.space(component), schema: schemaIn(p.base, component),
		hidden: map[string]*hiddenTable{}, dropped: map[string]bool{}, numbers: map[uint32]string{},
	}
	for _, t := range newSpace(component).tables {
		s.numbers[t.number] = t.name
	}
	p.spaces[component] = s
	return s
}

// existing is the table of a name as it is now.
func (s *importSpace) existing(name string) *table {
	if s.base == nil {
		return nil
	}
	return s.base.table(name)
}

// planImport works out which tables come and go and gives the new ones their
// numbers: what _tables or the ids tell, else the number that the table has
// now, else a free one.
func planImport(base *snapshot, source *importSource, mode ImportMode) (*importPlan, error) {
	p := &importPlan{mode: mode, base: base, source: source, spaces: map[string]*importSpace{}}
	comes := map[tableRef]bool{}
	for i := range source.tables {
		t := &source.tables[i]
		if err := checkTableName(t.name); err != nil {
			return nil, importErrorf("%q isn't a valid table name: %v", t.name, err)
		}
		p.space(t.component)
		comes[t.ref()] = true
	}
	if mode == ReplaceAll {
		for component := range base.spaces {
			p.space(component)
		}
	}
	for _, s := range p.spaces {
		p.leave(s, comes)
	}
	for i := range source.tables {
		if t := &source.tables[i]; t.number != 0 {
			if err := p.number(t, t.number); err != nil {
				return nil, err
			}
		}
	}
	for i := range source.tables {
		if t := &source.tables[i]; t.number == 0 {
			if err := p.number(t, p.usual(t.ref())); err != nil {
				return nil, err
			}
		}
	}
	p.clear()
	return p, nil
}

// leave notes the tables that stay, and those that go.
func (p *importPlan) leave(s *importSpace, comes map[tableRef]bool) {
	if s.base == nil {
		return
	}
	for _, t := range s.base.userTables() {
		switch {
		case comes[tableRef{s.component, t.name}]:
		case p.mode == ReplaceAll:
			s.dropped[t.name] = true
		default:
			s.numbers[t.number] = t.name
		}
	}
}

// usual is the number of a table of which nothing tells one.
func (p *importPlan) usual(at tableRef) uint32 {
	s := p.spaces[at.component]
	if t := s.existing(at.table); t != nil {
		if _, taken := s.numbers[t.number]; !taken {
			return t.number
		}
	}
	n := uint32(firstUserNumber)
	for ; ; n++ {
		_, taken := s.numbers[n]
		if !taken && (s.base == nil || s.base.tableByNumber(n) == nil) {
			return n
		}
	}
}

// number makes the hidden table.
func (p *importPlan) number(t *sourceTable, number uint32) error {
	s := p.spaces[t.component]
	existing := s.existing(t.name)
	appended := p.mode == Append && existing != nil
	if p.mode == RequireEmpty && existing != nil && existing.byID.Len() > 0 {
		return importErrorf("Table %s already exists. Please choose a new table name or use replace/append modes.", t.name)
	}
	if appended && existing.number != number {
		return importErrorf("table %s%s wants table number %d but was already assigned %d", t.name, inComponent(t.component), number, existing.number)
	}
	if other, taken := s.numbers[number]; taken {
		if s.hidden[other] != nil {
			return importErrorf("conflict between `%s` and `%s`%s with number %d", other, t.name, inComponent(t.component), number)
		}
		return importErrorf("New table `%s`%s has IDs that conflict with existing table `%s`", t.name, inComponent(t.component), other)
	}
	s.numbers[number] = t.name
	s.hidden[t.name] = &hiddenTable{emptied(t.name, number, existing), appended}
	return nil
}

// emptied is a new table with the indexes of the one that it replaces.
func emptied(name string, number uint32, old *table) *table {
	t := newTable(name, number)
	if old != nil {
		t.search = old.search
		for _, ix := range old.indexes {
			n := newIndex(ix.def)
			n.hidden = ix.hidden
			t.indexes = append(t.indexes, n)
		}
	}
	return t
}

// clear empties, instead of dropping, what the schema names.
func (p *importPlan) clear() {
	for _, s := range p.spaces {
		for _, name := range slices.Sorted(maps.Keys(s.dropped)) {
			if s.schema.active.Table(name) == nil {
				continue
			}
			number := p.usual(tableRef{s.component, name})
			s.numbers[number] = name
			s.hidden[name] = &hiddenTable{emptied(name, number, s.existing(name)), false}
			delete(s.dropped, name)
		}
	}
}

// stands reports what keeps the plan from coming true on a newer snapshot: a
// changed schema, or documents that would point into a table whose number
// changes.
func (p *importPlan) stands(latest *snapshot, pending func(component string) bool) error {
	for _, s := range p.spaces {
		now := latest.space(s.component)
		active := s.schema
		if now != nil {
			active = now.schema
		}
		if pending(s.component) || active.active != s.schema.active {
			return importErrorf("Could not complete import because schema changed. Avoid modifying schema.ts while importing tables")
		}
		for name, def := range s.schema.byName {
			if now == nil || s.hidden[name] != nil || s.dropped[name] || now.table(name) == nil || now.table(name).byID.Len() == 0 {
				continue
			}
			if hit := s.renumbered(def.Document, now); hit != "" {
				return importErrorf("Import changes table '%s' which is referenced by '%s' in the schema", hit, name)
			}
		}
	}
	return nil
}

// renumbered names a table that the validator's ids point to and that gets
// another number.
func (s *importSpace) renumbered(v *schema.Validator, now *space) string {
	if v == nil {
		return ""
	}
	if v.Kind == schema.ID {
		if h, old := s.hidden[v.Table], now.table(v.Table); h != nil && old != nil && h.number != old.number {
			return v.Table
		}
	}
	parts := append([]*schema.Validator{v.Element, v.Key}, v.Members...)
	for _, f := range v.Fields {
		parts = append(parts, f.Type)
	}
	for _, part := range parts {
		if hit := s.renumbered(part, now); hit != "" {
			return hit
		}
	}
	return ""
}
