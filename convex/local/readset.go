package local

import "sort"

// tableRef names a table across versions.
type tableRef struct{ component, table string }

// Names of the built-in indexes.
const (
	byID           = "by_id"
	byCreationTime = "by_creation_time"
)

// ReadSet is what a query's result rests on: index ranges, whole tables,
// schemas, the code. A nil ReadSet rests on nothing.
type ReadSet struct {
	points  map[tableRef]map[[16]byte]struct{}
	ranges  map[tableRef]map[string]*ranges
	schemas map[string]struct{} // components whose schema, tables or progress matter
	anyCode bool                // the code and the indexes matter
	count   int                 // index ranges, for the limit
}

// ranges are the intervals read of one index.
type ranges struct {
	list   []interval
	sorted bool
}

// ReadTable is the ReadSet of something that depends on a whole table.
func ReadTable(component, table string) *ReadSet {
	r := &ReadSet{}
	r.addRange(tableRef{component, table}, byCreationTime, everything)
	return r
}

// ReadSchema is the ReadSet of something that depends on the schema, the
// tables' names, the functions or the validation progress of a component.
func ReadSchema(component string) *ReadSet {
	return &ReadSet{schemas: map[string]struct{}{component: {}}, anyCode: true}
}

// Add makes r rest on what other rests on as well.
func (r *ReadSet) Add(other *ReadSet) {
	if other == nil {
		return
	}
	for t, ids := range other.points {
		for id := range ids {
			r.addPoint(t, id)
		}
	}
	for t, byIndex := range other.ranges {
		for name, rs := range byIndex {
			for _, iv := range rs.list {
				r.addRange(t, name, iv)
			}
		}
	}
	for c := range other.schemas {
		r.addSchema(c)
	}
	r.anyCode = r.anyCode || other.anyCode
}

func (r *ReadSet) addSchema(component string) {
	if r.schemas == nil {
		r.schemas = map[string]struct{}{}
	}
	r.schemas[component] = struct{}{}
}

func (r *ReadSet) addPoint(t tableRef, id [16]byte) {
	ids := r.points[t]
	if ids == nil {
		if r.points == nil {
			r.points = map[tableRef]map[[16]byte]struct{}{}
		}
		ids = map[[16]byte]struct{}{}
		r.points[t] = ids
	}
	if _, known := ids[id]; !known {
		ids[id] = struct{}{}
		r.count++
	}
}

// addRange adds an interval and returns its place, through which it can grow
// while a stream goes on.
func (r *ReadSet) addRange(t tableRef, index string, iv interval) place {
	byIndex := r.ranges[t]
	if byIndex == nil {
		if r.ranges == nil {
			r.ranges = map[tableRef]map[string]*ranges{}
		}
		byIndex = map[string]*ranges{}
		r.ranges[t] = byIndex
	}
	rs := byIndex[index]
	if rs == nil {
		rs = &ranges{}
		byIndex[index] = rs
	}
	rs.list = append(rs.list, iv)
	rs.sorted = false
	r.count++
	return place{rs, len(rs.list) - 1}
}

// place is where a growing interval stands. It holds until the first look-up.
type place struct {
	ranges *ranges
	at     int
}

func (p place) set(iv interval) { p.ranges.list[p.at] = iv }

// contains reports whether some interval has the key.
func (rs *ranges) contains(key string) bool {
	if !rs.sorted {
		rs.sort()
	}
	i := sort.Search(len(rs.list), func(i int) bool { return rs.list[i].lo > key })
	return i > 0 && rs.list[i-1].contains(key)
}

// sort sorts the intervals and joins those that touch.
func (rs *ranges) sort() {
	sort.Slice(rs.list, func(i, j int) bool { return rs.list[i].lo < rs.list[j].lo })
	out := rs.list[:0]
	for _, iv := range rs.list {
		if iv.empty() {
			continue
		}
		if n := len(out); n > 0 && (out[n-1].hi == "" || iv.lo <= out[n-1].hi) {
			if out[n-1].hi != "" && (iv.hi == "" || iv.hi > out[n-1].hi) {
				out[n-1].hi = iv.hi
			}
			continue
		}
		out = append(out, iv)
	}
	rs.list, rs.sorted = out, true
}

// touched reports whether a commit changed something of what r rests on, and
// in which table.
func (r *ReadSet) touched(c *commit) (tableRef, [16]byte, bool) {
	if r.anyCode && c.epoch {
		return tableRef{}, [16]byte{}, true
	}
	for component := range c.schemas {
		if _, ok := r.schemas[component]; ok {
			return tableRef{component: component}, [16]byte{}, true
		}
	}
	for t := range c.whole {
		if r.points[t] != nil || r.ranges[t] != nil {
			return t, [16]byte{}, true
		}
	}
	for i := range c.writes {
		if w := &c.writes[i]; r.touches(w) {
			return w.ref, w.id, true
		}
	}
	return tableRef{}, [16]byte{}, false
}

func (r *ReadSet) touches(w *loggedWrite) bool {
	if _, ok := r.points[w.ref][w.id]; ok {
		return true
	}
	for name, rs := range r.ranges[w.ref] {
		switch name {
		case byID:
			if rs.contains(string(w.id[:])) {
				return true
			}
		case byCreationTime:
			if w.hadOld && rs.contains(timeKeyOf(w.oldCreated, w.id)) ||
				w.hasNew && rs.contains(timeKeyOf(w.newCreated, w.id)) {
				return true
			}
		default:
			for i, ix := range w.indexes {
				if ix != name {
					continue
				}
				k := w.keys[i]
				if w.hadOld && rs.contains(k.old) || w.hasNew && rs.contains(k.new) {
					return true
				}
			}
		}
	}
	return false
}

func timeKeyOf(created uint64, id [16]byte) string {
	d := document{created: created, id: id}
	return d.timeKey()
}
