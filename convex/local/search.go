package local

import (
	"encoding/json"
	"math"
	"sort"
	"strings"
	"unicode"

	"strait/model/schema"
	"strait/model/value"
)

// Search here is simple: every document of the table is looked at, the words
// of the query are matched against the words of the search field (the last one
// as a prefix), and more matching words come first. Convex ranks by BM25; the
// order of results may differ, the documents found rarely do. Vector search
// compares the query with every vector.

// searchPlan is the filters of a search.
type searchPlan struct {
	def    schema.Index
	words  []string
	equal  []searchEqual
	filled bool
}

type searchEqual struct {
	path  string
	value value.Value
}

// maxSearchResults is Convex's limit on the results of one search.
const maxSearchResults = 1024

func (tx *transaction) planSearch(p *plan, component, name string, filters []json.RawMessage) error {
	tableName, indexName, _ := strings.Cut(name, ".")
	p.ref, p.index = tableRef{component, tableName}, indexName
	def, err := tx.searchIndex(component, name, schema.SearchIndex)
	if err != nil {
		return err
	}
	s := &searchPlan{def: def}
	for _, raw := range filters {
		o, err := parseObject(string(raw))
		if err != nil {
			return invalidArgument("query", "withSearchIndex", err)
		}
		kind, _ := o.text("type")
		path, _ := o.text("fieldPath")
		if kind == "Search" {
			text, _ := o.text("value")
			if path != def.SearchField {
				return userErrorf("IncorrectSearchFieldError", "Search query against %s contains a search filter against %q, which doesn't match the indexed `searchField` %q.", name, path, def.SearchField)
			}
			s.words, s.filled = searchWords(text), true
			continue
		}
		if !contains(def.FilterFields, path) {
			return userErrorf("IncorrectFilterFieldError", "Search query against %s contains an equality filter on %q but that field isn't indexed for filtering in `filterFields`.", name, path)
		}
		v := value.Value(value.Undefined{})
		if text := o.raw("value"); text != nil || hasNull(o, "value") {
			if text == nil {
				text = []byte("null")
			}
			if v, err = value.DecodePatch(text); err != nil {
				return invalidArgument("query", "withSearchIndex", err)
			}
		}
		s.equal = append(s.equal, searchEqual{path, v})
	}
	if !s.filled {
		return userErrorf("MissingSearchFilterError", "Search query against %s does not contain any search filters. You must include a search filter like `q.search(\"field\", searchText)`.", name)
	}
	p.search = s
	return nil
}

func hasNull(o object, name string) bool {
	for _, m := range o {
		if m.name == name {
			return m.text == "null"
		}
	}
	return false
}

func contains(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

// searchIndex finds a search or vector index by "table.index".
func (tx *transaction) searchIndex(component, name string, kind schema.IndexKind) (schema.Index, error) {
	tableName, indexName, _ := strings.Cut(name, ".")
	if t := tx.space(component).table(tableName); t != nil {
		for _, x := range t.search {
			if x.Kind == kind && x.Name == indexName {
				if x.Staged {
					return x, userErrorf("IndexStagedError", "Index %s is currently staged and not available to query until it is enabled.", name)
				}
				return x, nil
			}
		}
	}
	return schema.Index{}, userErrorf("IndexNotFoundError", "Index %s not found.", name)
}

// search finds the documents that match, best first.
func (tx *transaction) search(p *plan) ([]hit, error) {
	type match struct {
		hit
		score int
	}
	var found []match
	var failed error
	t := tx.space(p.ref.component).table(p.ref.table)
	if len(p.search.words) == 0 {
		return nil, nil
	}
	t.byTime.Scan(func(d *document) bool {
		doc, err := decodeDocument(d)
		if err != nil {
			failed = err
			return false
		}
		if score := p.search.score(doc); score > 0 {
			found = append(found, match{hit{d.timeKey(), d}, score})
		}
		return true
	})
	if failed != nil {
		return nil, failed
	}
	sort.SliceStable(found, func(i, j int) bool { return found[i].score > found[j].score })
	hits := make([]hit, 0, min(len(found), maxSearchResults))
	for _, m := range found[:min(len(found), maxSearchResults)] {
		hits = append(hits, m.hit)
	}
	return hits, nil
}

// score counts the words that match; 0 is no match.
func (s *searchPlan) score(doc value.Object) int {
	for _, e := range s.equal {
		if !value.Equal(value.Lookup(doc, e.path), e.value) {
			return 0
		}
	}
	text, ok := value.Lookup(doc, s.def.SearchField).(string)
	if !ok {
		return 0
	}
	have := searchWords(text)
	score := 0
	for i, w := range s.words {
		for _, h := range have {
			if h == w {
				score += 2
			} else if i == len(s.words)-1 && strings.HasPrefix(h, w) {
				score++
			}
		}
	}
	return score
}

func searchWords(text string) []string {
	return strings.FieldsFunc(strings.ToLower(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
}

// vectorQuery is the argument of 1.0/actions/vectorSearch.
type vectorQuery struct {
	Query struct {
		IndexName   string          `json:"indexName"`
		Limit       *float64        `json:"limit"`
		Vector      []float64       `json:"vector"`
		Expressions json.RawMessage `json:"expressions"`
	} `json:"query"`
}

type vectorResult struct {
	ID    string  `json:"_id"`
	Score float64 `json:"_score"`
}

// vectorSearch compares every vector of the index with the one given, by
// cosine.
func (tx *transaction) vectorSearch(component, args string) (string, error) {
	var q vectorQuery
	if err := json.Unmarshal([]byte(args), &q); err != nil {
		return "", userErrorf("InvalidArgument", "Invalid arguments for `vectorSearch`: %v", err)
	}
	def, err := tx.searchIndex(component, q.Query.IndexName, schema.VectorIndex)
	if err != nil {
		return "", err
	}
	if len(q.Query.Vector) != def.Dimensions {
		return "", userErrorf("InvalidVectorQuery", "The vector of the query has %d dimensions, index %s has %d", len(q.Query.Vector), q.Query.IndexName, def.Dimensions)
	}
	limit := 10
	if q.Query.Limit != nil {
		limit = int(*q.Query.Limit)
	}
	if limit < 1 || limit > 256 {
		return "", userErrorf("InvalidVectorQuery", "Vector queries can return 1 to 256 results, %d were asked for", limit)
	}
	var filter expression
	if e := q.Query.Expressions; len(e) > 0 && string(e) != "null" {
		if filter, err = parseVectorFilter(e); err != nil {
			return "", invalidArgument("filter", "vectorSearch", err)
		}
	}
	tableName, _, _ := strings.Cut(q.Query.IndexName, ".")
	results, err := tx.nearest(component, tableName, def, q.Query.Vector, filter)
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{"results": results[:min(limit, len(results))]})
	return string(text), err
}

// parseVectorFilter reads one expression or a list of which one must hold.
func parseVectorFilter(raw json.RawMessage) (expression, error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return parseExpression(raw, 0)
	}
	parts := make([]expression, len(list))
	for i, e := range list {
		var err error
		if parts[i], err = parseExpression(e, 0); err != nil {
			return nil, err
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	return junction(parts, true), nil
}

func (tx *transaction) nearest(component, tableName string, def schema.Index, vector []float64, filter expression) ([]vectorResult, error) {
	results := []vectorResult{}
	var failed error
	t := tx.space(component).table(tableName)
	t.byTime.Scan(func(d *document) bool {
		doc, err := decodeDocument(d)
		if err == nil && filter != nil {
			var ok bool
			if ok, err = truth(filter, doc); !ok && err == nil {
				return true
			}
		}
		if err != nil {
			failed = err
			return false
		}
		if score, ok := cosine(vector, value.Lookup(doc, def.VectorField)); ok {
			results = append(results, vectorResult{t.idOf(d), score})
		}
		return true
	})
	sort.SliceStable(results, func(i, j int) bool { return results[i].Score > results[j].Score })
	return results, failed
}

func cosine(a []float64, v value.Value) (float64, bool) {
	b, ok := v.(value.Array)
	if !ok || len(b) != len(a) {
		return 0, false
	}
	var dot, na, nb float64
	for i, e := range b {
		f, ok := e.(float64)
		if !ok {
			return 0, false
		}
		dot += a[i] * f
		na += a[i] * a[i]
		nb += f * f
	}
	if na == 0 || nb == 0 {
		return 0, true
	}
	return dot / math.Sqrt(na*nb), true
}
