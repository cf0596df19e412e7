package schema

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The texts follow index_validation_error.rs, schemas/json.rs and
// sync_types/identifier.rs of convex-backend.
func TestProblemsAreConvexs(t *testing.T) {
	doc := object(opt("a", of(String)), opt("b", of(Number)), opt("deep", union(of(Null), object(req("c", array(of(Number)))))))
	db := func(name string, fields ...string) Index {
		return Index{Kind: DatabaseIndex, Name: name, Fields: fields}
	}
	search := func(name, field string, filter ...string) Index {
		return Index{Kind: SearchIndex, Name: name, SearchField: field, FilterFields: filter}
	}
	vector := func(name, field string, dimensions int) Index {
		return Index{Kind: VectorIndex, Name: name, VectorField: field, Dimensions: dimensions}
	}
	many := func(n int) (out []string) {
		for i := range n {
			out = append(out, fmt.Sprintf("f%d", i))
		}
		return out
	}
	for _, c := range []struct {
		table         Table
		code, message string // "" when there is nothing wrong
	}{
		{Table{Name: "t", Document: doc, Indexes: []Index{db("by_a", "a"), db("by_ab", "a", "b"), search("s", "a", "b"), vector("v", "deep.c", 3), db("_fivetran_synced", "b", "a")}}, "", ""},
		{Table{Name: "t", Indexes: []Index{db("by_x", "x.y.z")}}, "", ""},
		{Table{Name: "t", Document: of(Any), Indexes: []Index{db("by_x", "x.y.z")}}, "", ""},
		{Table{Name: "1t"}, "InvalidTableName", `Invalid table name: "1t". Identifiers must start with a letter and can only contain letters, digits, and underscores.`},
		{Table{Name: "_t"}, "TableNameReserved", "_t is a reserved table name."},
		{Table{Name: "t", Document: of(String)}, "InvalidTopLevelTypeInSchemaError", "The document validator in a schema must be an object, a union of objects, or `v.any()`. Found v.string(). To learn more, see the schema documentation at https://docs.convex.dev/database/schemas."},
		{Table{Name: "t", Document: union(object(), union(object()))}, "InvalidTopLevelTypeInSchemaError", "The document validator in a schema must be an object, a union of objects, or `v.any()`. Found v.union(v.object({})). To learn more, see the schema documentation at https://docs.convex.dev/database/schemas."},
		{Table{Name: "t", Document: object(req("a b", of(String)))}, "", "Identifier a b has invalid character ' ': Identifiers can only contain alphanumeric characters or underscores"},
		{Table{Name: "t", Document: object(req("o", object(req("é", of(String)))))}, "", "Invalid validator for key `o`: Invalid first character 'é' in é: Identifiers must start with an alphabetic character or underscore"},
		{Table{Name: "t", Document: object(req("o", object(req("___", of(String)))))}, "", "Invalid validator for key `o`: Identifier ___ cannot have exclusively underscores"},
		{Table{Name: "t", Document: object(req("r", record(lit("x"), of(Null))))}, "InvalidRecordType", "Invalid validator for key `r`: Records cannot have string literal keys"},
		{Table{Name: "t", Document: object(req("r", record(of(Any), of(Null))))}, "InvalidRecordType", "Invalid validator for key `r`: Records can only have string keys. Your validator contains a record with key typed as `v.any()`, which is not a subtype of `v.string()`"},
		{Table{Name: "t", Indexes: []Index{db("x")}}, "EmptyIndex", `In table "t" index "x" must have at least one field.`},
		{Table{Name: "t", Indexes: []Index{db("x", many(17)...)}}, "IndexTooManyFields", `In table "t": In index "x": Indexes may have up to 16 fields.`},
		{Table{Name: "t", Indexes: []Index{db("x", "a", "_id")}}, "IndexFieldsContainId", "In table \"t\": In index \"x\": `_id` is not a valid index field. To load documents by ID, use `db.get(id)`."},
		{Table{Name: "t", Indexes: []Index{db("x", "a", "_creationTime")}}, "IndexFieldsContainCreationTime", "`_creationTime` is automatically added to the end of each index. It should not be added explicitly in the index definition. See https://docs.convex.dev/using/indexes for more details."},
		{Table{Name: "t", Indexes: []Index{db("x", "a._b")}}, "IndexFieldNameReserved", "Reserved fields (starting with `_`) are not allowed in indexes."},
		{Table{Name: "t", Indexes: []Index{db("x", "a", "a")}}, "FieldsNotUniqueWithinIndex", `In table "t": In index "x": Duplicate field a. Index fields must be unique within an index.`},
		{Table{Name: "t", Indexes: []Index{db("x", "a..b")}}, "InvalidIndexField", `In table "t": In index "x": Invalid index field: "a..b"`},
		{Table{Name: "t", Indexes: []Index{db("x", "a"), db("y", "a")}}, "IndexNotUnique", `In table "t" index "y" and index "x" have the same fields. Indexes must be unique within a table.`},
		{Table{Name: "t", Indexes: []Index{db("x", "a"), search("x", "a")}}, "IndexNamesNotUnique", `Table "t" has two or more definitions of index "x".`},
		{Table{Name: "t", Indexes: []Index{db("by_id", "a")}}, "IndexNameReserved", `In table "t" cannot name an index "by_id" because the name is reserved. Indexes may not start with an underscore or be named "by_id" or "by_creation_time".`},
		{Table{Name: "t", Indexes: []Index{db("by-a", "a")}}, "InvalidIndexName", `In table "t": Invalid index name: "by-a". Identifiers must be 64 characters or less, start with a letter, and only contain letters, digits, underscores.`},
		{Table{Name: "t", Indexes: []Index{search("x", "a", many(17)...)}}, "IndexTooManyFilterFields", `In table "t": Search indexes may have up to 16 filter fields.`},
		{Table{Name: "t", Indexes: []Index{vector("x", "a", 1)}}, "InvalidVectorDimensionError", `In table "t": Dimensions 1 must be between 2 and 4096.`},
		{Table{Name: "t", Document: doc, Indexes: []Index{db("x", "deep.d")}}, "SchemaDefinitionError", `In table "t" the index "x" is invalid because it references the field deep.d that does not exist.`},
		{Table{Name: "t", Document: doc, Indexes: []Index{db("x", "a.d")}}, "SchemaDefinitionError", `In table "t" the index "x" is invalid because it references the field a.d that does not exist.`},
		{Table{Name: "t", Document: doc, Indexes: []Index{search("x", "zz")}}, "SchemaDefinitionError", `In table "t" the index "x" is invalid because it references the field zz that does not exist.`},
		{Table{Name: "t", Document: doc, Indexes: []Index{vector("x", "b", 3)}}, "SchemaDefinitionError", `In table "t" the vector index "x" is invalid because it references the field b that is neither an array of float64 or optional array of float64.`},
		{Table{Name: "t", Document: union(object(opt("v", array(of(String)))), object()), Indexes: []Index{vector("x", "v", 3)}}, "", ""},
		{Table{Name: "t", Document: object(opt("v", union(array(of(String)), array(of(Number))))), Indexes: []Index{vector("x", "v", 3)}}, "", ""},
	} {
		found := (&Schema{Tables: []*Table{&c.table}, Validation: true}).Problems()
		if c.message == "" {
			if len(found) > 0 {
				t.Errorf("%+v: %s", c.table, found[0].Message)
			}
			continue
		}
		if len(found) == 0 || found[0].Code != c.code || found[0].Message != c.message || found[0].Table != c.table.Name {
			t.Errorf("problems are %q, want %s: %s", found, c.code, c.message)
		}
	}
}

func TestProblemsOfManyIndexes(t *testing.T) {
	table := &Table{Name: "t"}
	for i := range 65 {
		table.Indexes = append(table.Indexes, Index{Kind: DatabaseIndex, Name: fmt.Sprintf("by_%d", i), Fields: []string{fmt.Sprintf("f%d", i)}})
	}
	found := (&Schema{Tables: []*Table{table}}).Problems()
	if len(found) != 1 || found[0].Message != `Table "t" cannot have more than 64 indexes.` {
		t.Errorf("problems are %v", found)
	}
}

func TestProblemsWithoutValidationLeaveFieldsAlone(t *testing.T) {
	s := &Schema{Tables: []*Table{{Name: "t", Document: object(), Indexes: []Index{{Kind: DatabaseIndex, Name: "x", Fields: []string{"gone"}}}}}}
	if found := s.Problems(); len(found) > 0 {
		t.Errorf("problems are %v", found)
	}
}

// What Widen makes of documents stays within the rules of Convex.
func TestWidenedSchemasKeepTheRules(t *testing.T) {
	documents := rapid.OneOf(genObject(2), rapid.Map(rapid.SliceOfN(genObject(2), 1, 3), func(members []*Validator) *Validator { return union(members...) }))
	indexes := rapid.Custom(func(t *rapid.T) []Index {
		var out []Index
		for _, list := range indexLists {
			for _, x := range rapid.SliceOfN(genIndex(list.kind), 0, 1).Draw(t, "indexes") {
				x.Staged = list.staged
				x.Name += string(list.kind) + rapid.StringMatching("[a-c]").Draw(t, "suffix")
				out = append(out, x)
			}
		}
		return out
	})
	rapid.Check(t, func(t *rapid.T) {
		draw := func(side string) *Schema {
			return &Schema{Validation: rapid.Bool().Draw(t, "validation"), Tables: []*Table{{Name: "t", Document: documents.Draw(t, side), Indexes: indexes.Draw(t, side)}}}
		}
		active, target := draw("active"), draw("target")
		if len(active.Problems())+len(target.Problems()) > 0 || strings.Contains(active.TypeScript()+target.TypeScript(), "v.union()") {
			return // a document that cannot be is no reason to keep its fields
		}
		if found := WidenSchemas(active, target).Problems(); len(found) > 0 {
			t.Fatalf("widened, %v and %v break a rule: %s", active.Tables[0].Document, target.Tables[0].Document, found[0].Message)
		}
	})
}

func TestIdentifiersAreBounded(t *testing.T) {
	if badIdentifier(strings.Repeat("a", 64)) != "" || badIdentifier(strings.Repeat("a", 65)) != "Identifier is too long (65 > maximum 64)" || badIdentifier("") == "" {
		t.Error("an identifier has 1 to 64 characters")
	}
}
