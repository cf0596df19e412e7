package conformance

import (
	"regexp"
	"testing"

	"github.com/evanw/esbuild/pkg/api"

	"strait/model/schema"
	"strait/plan"
)

// inQuotes is a string of JavaScript as esbuild prints it.
var inQuotes = regexp.MustCompile("\"(?:[^\"\\\\]|\\\\.)*\"|'(?:[^'\\\\]|\\\\.)*'|`(?:[^`\\\\]|\\\\.)*`")

// evil is the word outside of names that are made of it.
var evil = regexp.MustCompile(`\bevil\b`)

// TestNamesAreNoCode gives tables and fields names that would end a string, a
// comment or a property, and finds them nowhere but in strings.
func TestNamesAreNoCode(t *testing.T) {
	text := &schema.Validator{Kind: schema.String}
	number := &schema.Validator{Kind: schema.Number}
	for _, bad := range []string{
		`"); evil(); ("`, `*/ evil(); /*`, "x\nevil();//", "x\u2028evil();//", `\`, `\"+evil()+\"`, "${evil()}`+evil()+`", `__proto__`, `evil-key`, "é evil", "constructor", "[]{}.keys()evil", "",
	} {
		object := func(v *schema.Validator) *schema.Validator {
			return &schema.Validator{Kind: schema.Object, Fields: []schema.Field{{Name: bad, Type: v}}}
		}
		lit := func(s string) *schema.Validator { return &schema.Validator{Kind: schema.Literal, Literal: s} }
		one := func(fields ...schema.Field) *schema.Schema {
			return &schema.Schema{Validation: true, Tables: []*schema.Table{{
				Name: "t" + bad, Document: &schema.Validator{Kind: schema.Object, Fields: fields},
				Indexes: []schema.Index{{Kind: schema.DatabaseIndex, Name: bad, Fields: []string{bad}}},
			}}}
		}
		id := func(table string) *schema.Validator { return &schema.Validator{Kind: schema.ID, Table: table} }
		pairs := [][2]*schema.Schema{
			{one(schema.Field{Name: bad, Type: number}), one(schema.Field{Name: bad, Type: text})},
			{one(schema.Field{Name: bad, Type: text}), one(schema.Field{Name: bad, Type: number})},
			{one(schema.Field{Name: bad, Type: text, Optional: true}), one(schema.Field{Name: bad, Type: text})},
			{one(schema.Field{Name: bad, Type: text}), one()},
			{one(schema.Field{Name: bad, Type: text}), one(schema.Field{Name: "a" + bad, Type: text})},
			{one(schema.Field{Name: "o", Type: object(text)}), one(schema.Field{Name: "o", Type: object(number)})},
			{one(schema.Field{Name: bad, Type: lit(bad)}), one(schema.Field{Name: bad, Type: lit("x" + bad)})},
			{one(schema.Field{Name: bad, Type: id("a" + bad)}), one(schema.Field{Name: bad, Type: id("b" + bad)})},
			{one(schema.Field{Name: bad, Type: nil}), one(schema.Field{Name: bad, Type: object(text)})},
		}
		for i, p := range pairs {
			if p[0].Tables[0].Document.Field(bad) != nil && p[0].Tables[0].Document.Field(bad).Type == nil {
				p[0].Tables[0].Document.Fields[0].Type = &schema.Validator{Kind: schema.Any}
			}
			in := plan.Input{Target: p[1], Envs: []plan.Evidence{{Env: "prod", Reachable: true, Active: p[0], ActiveKnown: true}}}
			for _, a := range plan.NewReview(in, plan.Make(in)).Changes {
				snippets := a.Snippets
				if a.Scaffold != nil {
					snippets = append(snippets, *a.Scaffold)
				}
				for _, x := range snippets {
					checkNoCode(t, i, bad, x.Code)
				}
			}
		}
	}
}

func checkNoCode(t *testing.T, pair int, bad, code string) {
	t.Helper()
	r := api.Transform(code, api.TransformOptions{Loader: api.LoaderTS, MinifyWhitespace: true, LegalComments: api.LegalCommentsNone})
	if len(r.Errors) > 0 {
		t.Errorf("pair %d, name %q: %s\n%s", pair, bad, r.Errors[0].Text, code)
		return
	}
	if rest := inQuotes.ReplaceAllString(string(r.Code), ""); evil.MatchString(rest) {
		t.Errorf("pair %d, name %q became code:\n%s", pair, bad, code)
	}
}
