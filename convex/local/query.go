package local

import (
	"encoding/json"
	"fmt"
	"strings"

	"strait/model/schema"
	"strait/model/value"
)

// queryJSON is a query as JavaScript sends it (convex-wire.md 12.5).
type queryJSON struct {
	Source struct {
		Type      string            `json:"type"`
		TableName string            `json:"tableName"`
		IndexName string            `json:"indexName"`
		Order     *string           `json:"order"`
		Range     []boundJSON       `json:"range"`
		Filters   []json.RawMessage `json:"filters"`
	} `json:"source"`
	Operators []struct {
		Filter json.RawMessage `json:"filter"`
		Limit  *float64        `json:"limit"`
	} `json:"operators"`
}

type boundJSON struct {
	Type      string          `json:"type"`
	FieldPath string          `json:"fieldPath"`
	Value     json.RawMessage `json:"value"`
}

// maxOperators is Convex's limit on the operators of one query.
const maxOperators = 256

// plan is a query made ready for one transaction: a range of an index, walked
// in one direction through operators.
type plan struct {
	ref       tableRef
	missing   bool     // there is no such table: nothing to read
	index     string   // by_id, by_creation_time or a declared one
	fields    []string // of the index, implicit ones included
	iv        interval
	desc      bool
	operators []operator
	search    *searchPlan
}

// operator is a filter or a limit.
type operator struct {
	filter expression
	limit  int
}

// parsePlan reads a query. Errors are *userErrors, method names the syscall.
func (tx *transaction) parsePlan(component string, text []byte, method string) (*plan, error) {
	var q queryJSON
	if err := json.Unmarshal(text, &q); err != nil {
		return nil, invalidArgument("query", method, err)
	}
	if len(q.Operators) > maxOperators {
		return nil, invalidArgument("query", method, fmt.Errorf("can't construct query with more than %d operators", maxOperators))
	}
	p := &plan{desc: q.Source.Order != nil && *q.Source.Order == "desc"}
	var err error
	switch q.Source.Type {
	case "FullTableScan":
		p.ref = tableRef{component, q.Source.TableName}
		p.index, p.fields = byCreationTime, []string{"_creationTime", "_id"}
		p.missing = tx.space(component).table(p.ref.table) == nil
	case "IndexRange":
		err = tx.planRange(p, component, q.Source.IndexName, q.Source.Range)
	case "Search":
		err = tx.planSearch(p, component, q.Source.IndexName, q.Source.Filters)
	default:
		err = invalidArgument("query", method, fmt.Errorf("unknown source type %q", q.Source.Type))
	}
	if err != nil {
		return nil, err
	}
	for _, op := range q.Operators {
		switch {
		case op.Limit != nil:
			p.operators = append(p.operators, operator{limit: int(*op.Limit)})
		case op.Filter != nil:
			e, err := parseExpression(op.Filter, 0)
			if err != nil {
				return nil, invalidArgument("query", method, err)
			}
			p.operators = append(p.operators, operator{filter: e})
		default:
			return nil, invalidArgument("query", method, fmt.Errorf("an operator is neither a filter nor a limit"))
		}
	}
	return p, nil
}

func invalidArgument(arg, method string, err error) *userError {
	return userErrorf("InvalidArgument", "Invalid argument `%s` for `%s`: %v", arg, method, err)
}

// planRange resolves "table.index" and compiles its range.
func (tx *transaction) planRange(p *plan, component, name string, bounds []boundJSON) error {
	tableName, indexName, _ := strings.Cut(name, ".")
	p.ref, p.index = tableRef{component, tableName}, indexName
	t := tx.space(component).table(tableName)
	if t == nil {
		// Convex knows no index of a table that is not there, not even the
		// built-in ones.
		return userErrorf("IndexNotFoundError", "Index %s not found.", name)
	}
	switch indexName {
	case byCreationTime:
		p.fields = []string{"_creationTime", "_id"}
	case byID:
		p.fields = []string{"_id"}
	default:
		ix := t.index(indexName)
		switch {
		case ix == nil || ix.hidden:
			return userErrorf("IndexNotFoundError", "Index %s not found.", name)
		case ix.def.Staged:
			return userErrorf("IndexStagedError", "Index %s is currently staged and not available to query until it is enabled.", name)
		}
		p.fields = append(append([]string(nil), ix.def.Fields...), "_creationTime", "_id")
	}
	iv, err := compileRange(name, t.number, p.fields, bounds)
	p.iv = iv
	return err
}

// bound is one comparison of a range.
type bound struct {
	op    string
	field string
	value value.Value
}

// compileRange turns comparisons into an interval by Convex's rules: equality
// on the first fields of the index, then at most one field with bounds.
func compileRange(name string, number uint32, fields []string, list []boundJSON) (interval, error) {
	equal := map[string]value.Value{}
	var order []string
	var lower, upper *bound
	inequality := ""
	for _, b := range list {
		v, err := value.DecodePatch(b.Value)
		if b.Value == nil {
			v, err = value.Undefined{}, nil
		}
		if err != nil {
			return nothing, invalidArgument("query", "withIndex", err)
		}
		if b.Type == "Eq" {
			if old, twice := equal[b.FieldPath]; twice {
				return nothing, alreadyBound("equality", b.FieldPath, "==", old)
			}
			equal[b.FieldPath] = v
			order = append(order, b.FieldPath)
			continue
		}
		side, kind, sign := &lower, "lower", map[string]string{"Gt": ">", "Gte": ">=", "Lt": "<", "Lte": "<="}[b.Type]
		if sign == "" {
			return nothing, invalidArgument("query", "withIndex", fmt.Errorf("unknown comparison %q", b.Type))
		}
		if sign[0] == '<' {
			side, kind = &upper, "upper"
		}
		if *side != nil {
			return nothing, alreadyBound(kind, b.FieldPath, sign, v)
		}
		if inequality != "" && inequality != b.FieldPath {
			return nothing, userErrorf("BoundsOnMultipleFields", "Upper and lower bounds in `range` can only be applied to a single index field. This query against index %s attempted to set a range bound on both %q and %q. Consider using `filter` instead. See https://docs.convex.dev/using/indexes for more info.", name, inequality, b.FieldPath)
		}
		inequality = b.FieldPath
		*side = &bound{b.Type, b.FieldPath, v}
	}
	if v, twice := equal[inequality]; twice && inequality != "" {
		return nothing, alreadyBound("inequality", inequality, "==", v)
	}
	if err := checkFields(name, fields, order, equal, inequality); err != nil {
		return nothing, err
	}
	return buildInterval(number, fields, equal, lower, upper), nil
}

func alreadyBound(kind, field, sign string, v value.Value) error {
	return userErrorf("AlreadyDefinedBound", "Already defined %s bound in index range. Can't add %q %s %s.", kind, field, sign, value.Display(v))
}

// checkFields requires the fields of a range to be the first of the index.
func checkFields(name string, fields, order []string, equal map[string]value.Value, inequality string) error {
	rank := map[string]int{}
	for i, f := range fields {
		rank[f] = i
	}
	shown := fields[:len(fields)-1]
	if len(shown) == 0 {
		shown = fields
	}
	used := make([]string, 0, len(order)+1)
	for _, f := range append(append([]string(nil), order...), inequality) {
		if f == "" {
			continue
		}
		if _, ok := rank[f]; !ok {
			return userErrorf("FieldNotInIndex", "The index range included a comparison with %q, but %s with fields %s doesn't index this field. For more information see https://docs.convex.dev/using/indexes.", f, name, quotedList(shown))
		}
	}
	for _, f := range fields {
		if _, ok := equal[f]; ok {
			used = append(used, f)
		}
	}
	if inequality != "" {
		used = append(used, inequality)
	}
	for i, f := range used {
		if i >= len(fields) || fields[i] != f {
			return userErrorf("InvalidIndexRange", "Tried to query index %s but the query didn't use the index fields in order.\nIndex fields: %s\nQuery fields: %s\nFirst incorrect field: %q\nFor more information see https://docs.convex.dev/using/indexes.", name, quotedList(shown), quotedList(used), f)
		}
	}
	return nil
}

func quotedList(list []string) string {
	q := make([]string, len(list))
	for i, s := range list {
		q[i] = fmt.Sprintf("%q", s)
	}
	return "[" + strings.Join(q, ", ") + "]"
}

// buildInterval joins the values' keys to a prefix and its bounds.
func buildInterval(number uint32, fields []string, equal map[string]value.Value, lower, upper *bound) interval {
	var prefix []byte
	i := 0
	for ; i < len(fields); i++ {
		v, ok := equal[fields[i]]
		if !ok {
			break
		}
		iv, exact := fieldInterval(number, fields[i], prefix, "Eq", v)
		if !exact {
			return nothing
		}
		prefix = []byte(iv.lo)
	}
	out := prefixed(string(prefix))
	if len(prefix) == 0 {
		out = everything
	}
	for _, b := range []*bound{lower, upper} {
		if b != nil {
			iv, _ := fieldInterval(number, b.field, prefix, b.op, b.value)
			out = out.intersect(iv)
		}
	}
	return out
}

// fieldInterval is the interval of one comparison on the field that follows
// prefix. For Eq, lo is the longer prefix and exact says whether such keys
// can exist at all.
func fieldInterval(number uint32, field string, prefix []byte, op string, v value.Value) (iv interval, exact bool) {
	at, past, exact := fieldPosition(number, field, v)
	low, high := string(prefix)+at, string(prefix)+past
	switch op {
	case "Eq":
		return interval{lo: low, hi: high}, exact
	case "Gt":
		return interval{lo: high}, exact
	case "Gte":
		return interval{lo: low}, exact
	case "Lt":
		return interval{hi: orLeast(low)}, exact
	default: // Lte
		return interval{hi: orLeast(high)}, exact
	}
}

// orLeast stands in for an upper end that excludes every key.
func orLeast(hi string) string {
	if hi == "" {
		return "\x00"
	}
	return hi
}

// fieldPosition is where v stands among the keys of a field: at begins the
// keys that are equal to it, past lies beyond them. exact is false when no
// document can be equal to v.
func fieldPosition(number uint32, field string, v value.Value) (at, past string, exact bool) {
	switch field {
	case "_creationTime":
		f, ok := v.(float64)
		if !ok {
			return outside(v, 0.0, 8)
		}
		at = string(appendTime(nil, sortable(f)))
		return at, pastOf(at), true
	case "_id":
		text, ok := v.(string)
		if !ok {
			return outside(v, "", 16)
		}
		pos, exact, ok := idPosition(number, text)
		if !ok {
			return outsideAfter(16)
		}
		at = string(pos[:])
		if exact {
			return at, pastOf(at), true
		}
		return at, at, false
	default:
		at = string(value.AppendKey(nil, v))
		return at, pastOf(at), true
	}
}

// pastOf is the least key beyond those that begin with at.
func pastOf(at string) string {
	if p := afterPrefix(at); p != "" {
		return p
	}
	return at + strings.Repeat("\xff", 32)
}

// outside is the place of a value of another type than all of the field's.
func outside(v, sample value.Value, width int) (at, past string, exact bool) {
	if value.Compare(v, sample) < 0 {
		return "", "", false
	}
	return outsideAfter(width)
}

func outsideAfter(width int) (at, past string, exact bool) {
	end := strings.Repeat("\xff", width+1)
	return end, end, false
}

// scan collects up to n hits of the interval in the direction asked for.
func (t *table) scan(indexName string, iv interval, desc bool, n int, hits []hit) []hit {
	if iv.empty() || n <= 0 {
		return hits
	}
	switch indexName {
	case byCreationTime, byID:
		tree, pivot, key := t.byTime, timePivot, (*document).timeKey
		if indexName == byID {
			tree, pivot, key = t.byID, idPivot, (*document).idKey
		}
		end := iv.hi
		if desc {
			visit := func(d *document) bool {
				k := key(d)
				if k < iv.lo {
					return false
				}
				if end == "" || k < end {
					hits = append(hits, hit{k, d})
				}
				return len(hits) < n
			}
			if end == "" {
				tree.Reverse(visit)
			} else {
				tree.Descend(pivot(end), visit)
			}
			return hits
		}
		tree.Ascend(pivot(iv.lo), func(d *document) bool {
			k := key(d)
			if end != "" && k >= end {
				return false
			}
			if k >= iv.lo {
				hits = append(hits, hit{k, d})
			}
			return len(hits) < n
		})
	default:
		ix := t.index(indexName)
		if ix == nil {
			return hits
		}
		return ix.scan(iv, desc, n, hits)
	}
	return hits
}

func (ix *index) scan(iv interval, desc bool, n int, hits []hit) []hit {
	if desc {
		visit := func(e entry) bool {
			if e.key < iv.lo {
				return false
			}
			if iv.hi == "" || e.key < iv.hi {
				hits = append(hits, hit(e))
			}
			return len(hits) < n
		}
		if iv.hi == "" {
			ix.tree.Reverse(visit)
		} else {
			ix.tree.Descend(entry{key: iv.hi}, visit)
		}
		return hits
	}
	ix.tree.Ascend(entry{key: iv.lo}, func(e entry) bool {
		if iv.hi != "" && e.key >= iv.hi {
			return false
		}
		hits = append(hits, hit(e))
		return len(hits) < n
	})
	return hits
}

// hit is a document with its key in the index that is walked.
type hit struct {
	key string
	doc *document
}

// indexDefs lists the indexes of a table's definition by kind.
func indexDefs(t *schema.Table, kind schema.IndexKind) []schema.Index {
	var out []schema.Index
	for _, x := range t.Indexes {
		if x.Kind == kind {
			out = append(out, x)
		}
	}
	return out
}
