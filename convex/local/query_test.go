package local

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"strait/model/value"
)

func library(t testing.TB, n int) *Deployment {
	t.Helper()
	d := core(t, Options{})
	docs := make([]value.Object, n)
	for i := range docs {
		docs[i] = value.NewObject(
			value.Field{Name: "title", Value: fmt.Sprintf("t%02d", i)}, value.Field{Name: "year", Value: float64(1900 + i%10)},
		)
	}
	if _, err := d.Insert(context.Background(), "", "books", docs); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestQueryRangesOrdersFiltersAndLimits(t *testing.T) {
	d := library(t, 30)
	titles := func(query string) string {
		t.Helper()
		var out []string
		for _, b := range must(t, d, "core:collect", `{"query":`+text(query)+`}`).(value.Array) {
			out = append(out, strings.TrimPrefix(field(b, "title").(string), "t"))
		}
		return strings.Join(out, " ")
	}
	for _, c := range []struct{ query, want string }{
		{`{"source":{"type":"FullTableScan","tableName":"books","order":null},"operators":[{"limit":3}]}`, "00 01 02"},
		{`{"source":{"type":"FullTableScan","tableName":"books","order":"desc"},"operators":[{"limit":2}]}`, "29 28"},
		{`{"source":{"type":"FullTableScan","tableName":"none","order":"desc"},"operators":[]}`, ""},
		{`{"source":{"type":"IndexRange","indexName":"books.by_year","range":[{"type":"Eq","fieldPath":"year","value":1903}],"order":"desc"},"operators":[]}`, "23 13 03"},
		{`{"source":{"type":"IndexRange","indexName":"books.by_year","range":[{"type":"Gte","fieldPath":"year","value":1908},{"type":"Lt","fieldPath":"year","value":1909}],"order":"asc"},"operators":[]}`, "08 18 28"},
		{`{"source":{"type":"IndexRange","indexName":"books.by_year","range":[{"type":"Gt","fieldPath":"year","value":1908}],"order":null},"operators":[{"filter":{"$neq":[{"$field":"title"},{"$literal":"t19"}]}},{"limit":1}]}`, "09"},
		{`{"source":{"type":"IndexRange","indexName":"books.by_title_year","range":[{"type":"Eq","fieldPath":"title","value":"t07"},{"type":"Lte","fieldPath":"year","value":1907}],"order":null},"operators":[]}`, "07"},
		{`{"source":{"type":"IndexRange","indexName":"books.by_year","range":[{"type":"Eq","fieldPath":"year","value":{"$undefined":null}}],"order":null},"operators":[]}`, ""},
		{`{"source":{"type":"FullTableScan","tableName":"books","order":null},"operators":[{"filter":{"$and":[{"$gte":[{"$field":"year"},{"$literal":1905}]},{"$eq":[{"$mod":[{"$field":"year"},{"$literal":5}]},{"$literal":0}]}]}},{"limit":2}]}`, "05 15"},
		{`{"source":{"type":"FullTableScan","tableName":"books","order":null},"operators":[{"limit":4},{"filter":{"$or":[{"$eq":[{"$field":"title"},{"$literal":"t03"}]},{"$not":{"$lt":[{"$field":"title"},{"$literal":"t04"}]}}]}}]}`, "03"},
	} {
		if got := titles(c.query); got != c.want {
			t.Errorf("%s\ngot  %s\nwant %s", c.query, got, c.want)
		}
	}
	if got := text(must(t, d, "core:search", `{"text":"T1"}`)); strings.Count(got, "t1") != 10 {
		t.Errorf("search: %s", got)
	}
	if got := text(must(t, d, "core:search", `{"text":"t1","year":1903}`)); got != `["t13"]` {
		t.Errorf("search with a filter: %s", got)
	}
}

func TestIndexTexts(t *testing.T) {
	d := library(t, 3)
	for _, c := range []struct{ index, bounds, want string }{
		{"books.by_none", ``, "Index books.by_none not found."},
		{"none.by_creation_time", ``, "Index none.by_creation_time not found."},
		{"books.by_later", ``, "Index books.by_later is currently staged and not available to query until it is enabled."},
		{"books.by_year", `{"type":"Eq","fieldPath":"title","value":1}`, `The index range included a comparison with "title", but books.by_year with fields ["year", "_creationTime"] doesn't index this field. For more information see https://docs.convex.dev/using/indexes.`},
		{"books.by_title_year", `{"type":"Eq","fieldPath":"year","value":1}`, "Tried to query index books.by_title_year but the query didn't use the index fields in order.\nIndex fields: [\"title\", \"year\", \"_creationTime\"]\nQuery fields: [\"year\"]\nFirst incorrect field: \"year\"\nFor more information see https://docs.convex.dev/using/indexes."},
		{"books.by_year", `{"type":"Gt","fieldPath":"year","value":1},{"type":"Gte","fieldPath":"year","value":2}`, `Already defined lower bound in index range. Can't add "year" >= 2.0.`},
		{"books.by_year", `{"type":"Eq","fieldPath":"year","value":1},{"type":"Lt","fieldPath":"year","value":2}`, `Already defined inequality bound in index range. Can't add "year" == 1.0.`},
		{"books.by_title_year", `{"type":"Gt","fieldPath":"title","value":"a"},{"type":"Lt","fieldPath":"year","value":2}`, "Upper and lower bounds in `range` can only be applied to a single index field. This query against index books.by_title_year attempted to set a range bound on both \"title\" and \"year\". Consider using `filter` instead. See https://docs.convex.dev/using/indexes for more info."},
	} {
		q := fmt.Sprintf(`{"source":{"type":"IndexRange","indexName":%q,"range":[%s],"order":null},"operators":[]}`, c.index, c.bounds)
		e := fails(t, d, "core:collect", `{"query":`+text(q)+`}`)
		if got, _, _ := strings.Cut(strings.TrimPrefix(e.Message, "Uncaught Error: "), "\n    at "); got != c.want {
			t.Errorf("%s %s:\ngot  %s\nwant %s", c.index, c.bounds, got, c.want)
		}
	}
}

func page(t *testing.T, d *Deployment, cursor, more string) value.Object {
	t.Helper()
	if cursor != "null" {
		cursor = fmt.Sprintf("%q", cursor)
	}
	return must(t, d, "core:paginate", fmt.Sprintf(`{"cursor":%s,%s}`, cursor, more)).(value.Object)
}

func TestPagesCoverTheTableOnce(t *testing.T) {
	d := library(t, 25)
	for _, desc := range []bool{false, true} {
		cursor, seen, done := "null", "", false
		for n := 0; !done; n++ {
			p := page(t, d, cursor, fmt.Sprintf(`"n":10,"desc":%v`, desc))
			for _, doc := range field(p, "page").(value.Array) {
				seen += field(doc, "title").(string)
			}
			cursor, done = field(p, "continueCursor").(string), field(p, "isDone").(bool)
			if n > 5 {
				t.Fatal("the pages do not end")
			}
		}
		if len(seen) != 75 || desc != strings.HasPrefix(seen, "t24t23") || !desc && !strings.HasSuffix(seen, "t23t24") {
			t.Errorf("desc=%v: %s", desc, seen)
		}
		again := page(t, d, cursor, fmt.Sprintf(`"n":10,"desc":%v`, desc))
		if len(field(again, "page").(value.Array)) != 0 || field(again, "isDone") != true {
			t.Errorf("after the end: %s", text(again))
		}
	}
	// A filtered page walks on until it is full; an end cursor bounds it whatever its size.
	p := page(t, d, "null", `"n":3,"year":1908`)
	if got := len(field(p, "page").(value.Array)); got != 3 {
		t.Errorf("filtered page: %s", text(p))
	}
	first := page(t, d, "null", `"n":4`)
	bounded := page(t, d, "null", fmt.Sprintf(`"n":1,"end":%q`, field(first, "continueCursor")))
	if len(field(bounded, "page").(value.Array)) != 4 || field(bounded, "continueCursor") != field(first, "continueCursor") {
		t.Errorf("page with an end: %s", text(bounded))
	}
	short := page(t, d, "null", `"n":20,"rows":5`)
	if len(field(short, "page").(value.Array)) != 5 || field(short, "pageStatus") != "SplitRequired" || field(short, "isDone") != false {
		t.Errorf("page with few rows: %s", text(short))
	}
}

func TestCursorTexts(t *testing.T) {
	d := library(t, 10)
	cursor := field(page(t, d, "null", `"n":4`), "continueCursor").(string)
	if same := field(page(t, d, "null", `"n":4`), "continueCursor"); same != cursor {
		t.Error("equal positions gave different cursors")
	}
	other := core(t, Options{Seed: 9})
	mine := fmt.Sprintf(`{"cursor":%q,"n":2}`, cursor)
	end := "00"
	if strings.HasSuffix(cursor, end) {
		end = "01"
	}
	tampered := cursor[:len(cursor)-2] + end
	for _, c := range []struct {
		d          *Deployment
		args, want string
	}{
		{d, fmt.Sprintf(`{"cursor":%q,"n":2,"desc":true}`, cursor), "InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query."},
		{d, `{"cursor":"rubbish","n":2}`, "Failed to parse cursor"},
		{d, fmt.Sprintf(`{"cursor":%q,"n":2}`, tampered), "Failed to parse cursor"},
		{other, mine, "Failed to parse cursor"},
		{d, `{"cursor":null,"n":0}`, "Must request at least 1 document while paginating"},
		{d, `{"cursor":null,"n":32001}`, "Requested too many items: 32001"},
		{d, `{"cursor":null,"n":1,"rows":0}`, "maximumRowsRead and maximumBytesRead must be greater than 0"},
	} {
		e := fails(t, c.d, "core:paginate", c.args)
		if !strings.Contains(e.Message, c.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", c.args, e.Message, c.want)
		}
		if strings.HasPrefix(c.want, "InvalidCursor") && string(e.Data) != `{"isConvexSystemError":true,"paginationError":"InvalidCursor"}` {
			t.Errorf("data %s", e.Data)
		}
	}
	if e := fails(t, d, "core:twoPages", `{}`); !strings.Contains(e.Message, "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function.") {
		t.Error(e.Message)
	}
}

func TestStreamSeesItsTransactionsWrites(t *testing.T) {
	d := library(t, 100)
	f := bare(d, "")
	p, err := f.tx.parsePlan("", []byte(`{"source":{"type":"FullTableScan","tableName":"books","order":null},"operators":[]}`), "q")
	if err != nil {
		t.Fatal(err)
	}
	st := f.tx.stream(p)
	n := 0
	for {
		doc, err := st.next()
		if err != nil {
			t.Fatal(err)
		}
		if doc == nil {
			break
		}
		// Delete the next document, so that every second one is met.
		if next := f.tx.space("").table("books").scan(byCreationTime, interval{lo: doc.timeKey() + "\x00"}, false, 1, nil); len(next) > 0 {
			if _, err := f.tx.remove("", value.ID{Table: f.tx.space("").table("books").number, Internal: next[0].doc.id}); err != nil {
				t.Fatal(err)
			}
		}
		n++
	}
	if n != 50 {
		t.Errorf("met %d documents, want 50", n)
	}
}

func TestArithmetic(t *testing.T) {
	doc := decode(t, `{"f":7.5,"i":{"$integer":"BwAAAAAAAAA="},"s":"x"}`)
	for _, c := range []struct{ expr, want string }{
		{`{"$add":[{"$field":"f"},{"$literal":1}]}`, "8.5"},
		{`{"$mod":[{"$field":"f"},{"$literal":2}]}`, "1.5"},
		{`{"$neg":{"$field":"i"}}`, "-7"},
		{`{"$mul":[{"$field":"i"},{"$field":"i"}]}`, "49"},
		{`{"$div":[{"$field":"i"},{"$literal":{"$integer":"AAAAAAAAAAA="}}]}`, "Cannot divide 7 by zero"},
		{`{"$add":[{"$field":"i"},{"$literal":{"$integer":"/////////38="}}]}`, "Cannot add 7 and 9223372036854775807: the result is out of range for Int64"},
		{`{"$add":[{"$field":"s"},{"$field":"f"}]}`, `Cannot add "x" (type String) and 7.5 (type Float64)`},
		{`{"$lt":[{"$field":"none"},{"$literal":null}]}`, "true"},
	} {
		e, err := parseExpression([]byte(c.expr), 0)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if v, err := e(doc); err != nil {
			got = err.Error()
		} else {
			got = value.Display(v)
		}
		if got != c.want {
			t.Errorf("%s: got %s, want %s", c.expr, got, c.want)
		}
	}
}

// FuzzParseObject looks for panics and for members that are no JSON.
func FuzzParseObject(f *testing.F) {
	for _, s := range []string{`{}`, `{"a":1,"b":{"c":[1,"}"]}}`, `{"a":"\"","é":null} `, `{"a"`, `[`, `{"a":}`, `{"a":1,}`, "{\"a\":\"\\"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		o, err := parseObject(s)
		if err != nil {
			return
		}
		for _, m := range o {
			o.raw(m.name)
			o.text(m.name)
			o.number(m.name)
		}
	})
}

// FuzzPlan looks for panics in what reads queries.
func FuzzPlan(f *testing.F) {
	f.Add(`{"source":{"type":"IndexRange","indexName":"_scheduled_functions.by_creation_time","range":[{"type":"Eq","fieldPath":"_creationTime","value":1}],"order":null},"operators":[{"limit":1},{"filter":{"$not":{"$literal":true}}}]}`)
	f.Add(`{"source":{"type":"Search","indexName":"a.b","filters":[{}]},"operators":[]}`)
	d := New(Options{Seed: 1})
	f.Cleanup(func() { d.Close() })
	f.Fuzz(func(t *testing.T, s string) {
		tx := d.begin(d.latest.Load())
		p, err := tx.parsePlan("", []byte(s), "queryStream")
		if err != nil {
			return
		}
		st := tx.stream(p)
		for range 3 {
			if doc, err := st.next(); doc == nil || err != nil {
				return
			}
		}
	})
}

func TestObjectMembers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name, s := rapid.String().Draw(t, "name"), rapid.String().Draw(t, "value")
		v := value.NewObject(value.Field{Name: "n", Value: rapid.Float64().Draw(t, "n")}, value.Field{Name: "s", Value: s})
		o, err := parseObject(fmt.Sprintf(` { "x" : [ %s , { } ] , %s : %s}`, text(v), text(name), text(s)))
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := o.text(o[1].name); !ok || got != s || o[1].name != name && name == strings.ToValidUTF8(name, "") {
			t.Fatalf("read %q as %q, %q as %q", name, o[1].name, s, got)
		}
	})
}
