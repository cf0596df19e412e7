package schema

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"modernc.org/quickjs"
	"pgregory.net/rapid"

	"strait/model/value"
)

// shim is what a printed schema imports, cut down to what JSON needs. The
// arrays of indexes and the JSON of validators are those of convex 1.48.
const shim = `
const leaf = (type) => () => ({ json: { type } });
const lit = (x) => typeof x === "bigint" ? { $integer: String(x) } : x;
const v = {
  null: leaf("null"), number: leaf("number"), int64: leaf("bigint"), boolean: leaf("boolean"), string: leaf("string"),
  bytes: leaf("bytes"), any: leaf("any"), commitTs: leaf("commitTs"),
  id: (tableName) => ({ json: { type: "id", tableName } }),
  literal: (x) => ({ json: { type: "literal", value: Object.is(x, -0) || typeof x === "number" && !Number.isFinite(x) ? { $float: Object.is(x, -0) ? "-0" : String(x) } : lit(x) } }),
  array: (e) => ({ json: { type: "array", value: e.json } }),
  record: (k, e) => ({ json: { type: "record", keys: k.json, values: { fieldType: e.json, optional: false } } }),
  object: (fields) => ({ json: { type: "object", value: Object.fromEntries(Object.entries(fields).map(([k, f]) => [k, { fieldType: f.json, optional: !!f.optional }])) } }),
  union: (...ms) => ({ json: { type: "union", value: ms.map((m) => m.json) } }),
  optional: (x) => ({ ...x, optional: true }),
};
function defineTable(doc) {
  const t = { indexes: [], stagedDbIndexes: [], searchIndexes: [], stagedSearchIndexes: [], vectorIndexes: [], stagedVectorIndexes: [],
    documentType: (doc.json ? doc : v.object(doc)).json };
  const out = {
    t,
    index(name, x) {
      if (Array.isArray(x)) t.indexes.push({ indexDescriptor: name, fields: x });
      else (x.staged ? t.stagedDbIndexes : t.indexes).push({ indexDescriptor: name, fields: x.fields });
      return out;
    },
    searchIndex(name, x) {
      (x.staged ? t.stagedSearchIndexes : t.searchIndexes).push({ indexDescriptor: name, searchField: x.searchField, filterFields: x.filterFields || [] });
      return out;
    },
    vectorIndex(name, x) {
      (x.staged ? t.stagedVectorIndexes : t.vectorIndexes).push({ indexDescriptor: name, vectorField: x.vectorField, dimensions: x.dimensions, filterFields: x.filterFields || [] });
      return out;
    },
  };
  return out;
}
const defineSchema = (tables, options) => JSON.stringify({
  tables: Object.entries(tables).map(([tableName, { t }]) => ({ tableName, ...t })),
  schemaValidation: options?.schemaValidation === undefined ? true : options.schemaValidation,
});
`

// evaluate runs a printed schema and returns what it exports.
func evaluate(t *rapid.T, vm *quickjs.VM, code string) string {
	_, expression, ok := strings.Cut(code, "export default ")
	if !ok {
		t.Fatalf("no default export in\n%s", code)
	}
	out, err := vm.Eval(expression, quickjs.EvalGlobal)
	if err != nil {
		t.Fatalf("evaluate: %v\n%s", err, code)
	}
	return out.(string)
}

func genIndex(kind IndexKind) *rapid.Generator[Index] {
	return rapid.Custom(func(t *rapid.T) Index {
		field := rapid.SampledFrom([]string{"a", "key", "profile.address.city", "a_rather_long_field_name_of_a_table"})
		x := Index{Kind: kind, Name: rapid.SampledFrom([]string{"by_a", "by_profile_address_city_and_key"}).Draw(t, "name"), Staged: rapid.Bool().Draw(t, "staged")}
		switch kind {
		case DatabaseIndex:
			x.Fields = rapid.SliceOfN(field, 1, 4).Draw(t, "fields")
			return x
		case SearchIndex:
			x.SearchField = field.Draw(t, "search")
		case VectorIndex:
			x.VectorField, x.Dimensions = field.Draw(t, "vector"), rapid.IntRange(2, 4096).Draw(t, "dimensions")
		}
		x.FilterFields = rapid.SliceOfN(field, 0, 4).Draw(t, "filter")
		return x
	})
}

func genSchema() *rapid.Generator[*Schema] {
	return rapid.Custom(func(t *rapid.T) *Schema {
		s := &Schema{Validation: rapid.Bool().Draw(t, "validation")}
		for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"users", "odd-name", "class", "日本"}), 0, 3, rapid.ID).Draw(t, "tables") {
			table := &Table{Name: name, Document: rapid.OneOf(genObject(3), genOddObject(), genValidator(3)).Draw(t, "document")}
			for _, list := range indexLists {
				for _, x := range rapid.SliceOfN(genIndex(list.kind), 0, 2).Draw(t, "indexes") {
					x.Staged = list.staged
					table.Indexes = append(table.Indexes, x)
				}
			}
			s.Tables = append(s.Tables, table)
		}
		return s
	})
}

// genOddObject draws names and literals that are awkward to print.
func genOddObject() *rapid.Generator[*Validator] {
	names := rapid.SampledFrom([]string{"a b", "constructor", "with-dash", "0x", "\"quoted\"", "é", "x_", "class", "$"})
	lits := rapid.SampledFrom([]value.Value{"", "it's \"q\"\\ \n\u2028", "`${x}`", "</script>", 0.1, -1.0, 1e21, 1e-7, 1e300, math.Copysign(0, -1), math.Inf(-1), math.Inf(1), int64(math.MinInt64), int64(5), true})
	return rapid.Custom(func(t *rapid.T) *Validator {
		v := object()
		for _, name := range rapid.SliceOfNDistinct(names, 0, 5, rapid.ID).Draw(t, "names") {
			typ := rapid.OneOf(rapid.Map(lits, lit), genValidator(2)).Draw(t, "type")
			v.Fields = append(v.Fields, Field{name, typ, rapid.Bool().Draw(t, "optional")})
		}
		return v
	})
}

// A printed schema, evaluated, exports the schema.
func TestPrintedSchemasEvaluateToThemselves(t *testing.T) {
	vm, err := quickjs.NewVM()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = vm.Close() }()
	if _, err := vm.Eval(shim, quickjs.EvalGlobal); err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		s := genSchema().Draw(t, "schema")
		if rapid.Bool().Draw(t, "widened") {
			s = WidenSchemas(s, genSchema().Draw(t, "target"))
		}
		code := s.TypeScript()
		back, err := Parse([]byte(packed(evaluate(t, vm, code))))
		if err != nil {
			t.Fatalf("%v\n%s", err, code)
		}
		if back.Hash() != s.Hash() || string(back.JSON()) != string(s.JSON()) {
			t.Fatalf("printed\n%s\nevaluates to\n%s\nwant\n%s", code, back.JSON(), s.JSON())
		}
		for line := range strings.Lines(code) {
			if strings.HasSuffix(line, " \n") || strings.Contains(line, "\t") {
				t.Fatalf("line %q has loose space", line)
			}
		}
	})
}

// packed puts the base64 that the shim leaves to Go into the JSON.
func packed(text string) string {
	for _, f := range []float64{math.Copysign(0, -1), math.Inf(1), math.Inf(-1)} {
		name := strings.ReplaceAll(strings.ReplaceAll(fmt.Sprint(f), "+Inf", "Infinity"), "-Inf", "-Infinity")
		text = strings.ReplaceAll(text, `{"$float":"`+name+`"}`, string(value.Append(nil, f)))
	}
	for _, i := range []int64{0, 1, 5, math.MinInt64} {
		text = strings.ReplaceAll(text, fmt.Sprintf(`{"$integer":"%d"}`, i), string(value.Append(nil, i)))
	}
	return text
}

// The layout is prettier's, at 100 columns.
func TestPrintedLayout(t *testing.T) {
	s := &Schema{Tables: []*Table{
		{Name: "users", Document: object(
			req("name", of(String)), opt("nick-name", of(String)), req("team", id("teams")),
			req("role", union(lit("administrator"), lit("member"), lit("guest"), lit("owner"), lit(int64(1)), lit(-1.5))),
			opt("profile", object(req("city", of(String)), req("scores", record(id("teams"), array(of(Number)))), opt("a", of(Any)), opt("website", of(String)))),
		), Indexes: []Index{
			{Kind: DatabaseIndex, Name: "by_name", Fields: []string{"name"}},
			{Kind: DatabaseIndex, Name: "by_team", Staged: true, Fields: []string{"team", "name"}},
			{Kind: SearchIndex, Name: "search", SearchField: "name", FilterFields: []string{"team"}},
			{Kind: VectorIndex, Name: "vector", VectorField: "profile.embedding", Dimensions: 1536, FilterFields: []string{"team"}},
		}},
		{Name: "events", Document: union(object(req("kind", lit("a"))), object(req("kind", lit("b")), req("n", of(Number)))), Indexes: []Index{
			{Kind: DatabaseIndex, Name: "by_kind", Fields: []string{"kind"}},
		}},
		{Name: "loose"},
	}}
	want := `import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";

export default defineSchema(
  {
    users: defineTable({
      name: v.string(),
      "nick-name": v.optional(v.string()),
      team: v.id("teams"),
      role: v.union(
        v.literal("administrator"),
        v.literal("member"),
        v.literal("guest"),
        v.literal("owner"),
        v.literal(1n),
        v.literal(-1.5),
      ),
      profile: v.optional(
        v.object({
          city: v.string(),
          scores: v.record(v.id("teams"), v.array(v.number())),
          a: v.optional(v.any()),
          website: v.optional(v.string()),
        }),
      ),
    })
      .index("by_name", ["name"])
      .index("by_team", { fields: ["team", "name"], staged: true })
      .searchIndex("search", { searchField: "name", filterFields: ["team"] })
      .vectorIndex("vector", {
        vectorField: "profile.embedding",
        dimensions: 1536,
        filterFields: ["team"],
      }),
    events: defineTable(
      v.union(
        v.object({ kind: v.literal("a") }),
        v.object({ kind: v.literal("b"), n: v.number() }),
      ),
    ).index("by_kind", ["kind"]),
    loose: defineTable(v.any()),
  },
  { schemaValidation: false },
);
`
	if got := s.TypeScript(); got != want {
		t.Errorf("printed\n%s", got)
	}
	// QuickJS loses this name, so that it cannot be among the evaluated ones.
	if got := object(req("__proto__", of(Null))).TypeScript(); got != `v.object({ ["__proto__"]: v.null() })` {
		t.Errorf("a field that would set the prototype prints as %s", got)
	}
	if got := (&Schema{Validation: true}).TypeScript(); !strings.HasSuffix(got, "export default defineSchema({});\n") {
		t.Errorf("an empty schema prints\n%s", got)
	}
}
