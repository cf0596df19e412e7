package schema

import (
	"fmt"
	"testing"
)

// hundredTables is a schema of 100 tables with 2,000 fields; a field in so
// many is of another type than at changed 0.
func hundredTables(changed int) *Schema {
	s := &Schema{Validation: true}
	for i := range 100 {
		doc := object()
		for j := range 20 {
			typ := []*Validator{of(String), of(Number), union(lit("a"), lit("b"), lit("c")), id("t1"), array(of(String)), object(req("x", of(String)), opt("y", of(Number)))}[j%6]
			if changed > 0 && (i+j)%changed == 0 {
				typ = of(Bigint)
			}
			doc.Fields = append(doc.Fields, Field{fmt.Sprintf("field%d", j), typ, j%4 == 0})
		}
		s.Tables = append(s.Tables, &Table{Name: fmt.Sprintf("t%d", i), Document: doc})
	}
	return s
}

func BenchmarkWidenSchemas(b *testing.B) {
	for _, changed := range []int{3, 10} {
		b.Run(fmt.Sprint("one_in_", changed), func(b *testing.B) {
			active, target := hundredTables(0), hundredTables(changed)
			b.ReportAllocs()
			for b.Loop() {
				WidenSchemas(active, target)
			}
		})
	}
}

func BenchmarkAccepts(b *testing.B) {
	for _, changed := range []int{0, 3} {
		b.Run(fmt.Sprint("one_in_", changed), func(b *testing.B) {
			active, target := hundredTables(0), hundredTables(changed)
			b.ReportAllocs()
			for b.Loop() {
				for i, t := range active.Tables {
					if ok, _, err := AcceptsDocuments(target.Tables[i].Document, t.Document); ok != (changed == 0) || err != nil {
						b.Fatal(ok, err)
					}
				}
			}
		})
	}
}

func BenchmarkIncludes(b *testing.B) {
	active, target := hundredTables(0), hundredTables(3)
	b.ReportAllocs()
	for b.Loop() {
		for i, t := range active.Tables {
			if ok, err := IncludesDocuments(target.Tables[i].Document, t.Document); ok || err != nil {
				b.Fatal(ok, err)
			}
		}
	}
}

// BenchmarkWitnesses asks for a witness of each of 700 changed fields, as the
// plan does: the rest of the table is as it was.
func BenchmarkWitnesses(b *testing.B) {
	active, target := hundredTables(0), hundredTables(3)
	b.ReportAllocs()
	for b.Loop() {
		for i, t := range active.Tables {
			for j, f := range target.Tables[i].Document.Fields {
				if f.Type.Kind != Bigint {
					continue
				}
				hybrid := object(t.Document.Fields...)
				hybrid.Fields = append([]Field(nil), hybrid.Fields...)
				hybrid.Fields[j] = f
				if ok, _, err := AcceptsDocuments(hybrid, t.Document); ok || err != nil {
					b.Fatal(ok, err)
				}
			}
		}
	}
}

func BenchmarkParse(b *testing.B) {
	text := hundredTables(0).JSON()
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(text); err != nil {
			b.Fatal(err)
		}
	}
}
