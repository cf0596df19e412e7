package local

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"strait/model/value"
)

func names(n int) []value.Object {
	docs := make([]value.Object, n)
	for i := range docs {
		docs[i] = value.NewObject(value.Field{Name: "name", Value: fmt.Sprint("author ", i)})
	}
	return docs
}

func TestLimitsEndTheFunctionWithConvexsText(t *testing.T) {
	small := DefaultLimits()
	small.DocumentsRead, small.DocumentsWritten, small.IndexRanges, small.FunctionsScheduled = 20, 10, 15, 3
	d := core(t, Options{Limits: &small})
	ids, err := d.Insert(context.Background(), "", "authors", names(25))
	if err != nil {
		t.Fatal(err)
	}
	list := `["` + strings.Join(ids[:16], `","`) + `"]`
	for _, c := range []struct{ fn, args, code, want string }{
		{"core:readAll", `{}`, "TooManyDocumentsRead", "Too many documents read in a single function execution (limit: 20). Consider using smaller limits in your queries, paginating your queries, or using indexed queries with a selective index range expressions."},
		{"core:readEach", `{"ids":` + list + `}`, "TooManyReads", "Too many reads in a single function execution (limit: 15). Consider using"},
		{"core:fill", `{"n":11}`, "TooManyWrites", "Too many writes in a single function execution (limit: 10)"},
		{"core:fan", `{"n":4}`, "TooManyFunctionsScheduled", "Too many functions scheduled by this mutation (limit: 3)"},
	} {
		e := fails(t, d, c.fn, c.args)
		if !strings.HasPrefix(e.Message, "Uncaught Error: "+c.want) || e.Code != c.code {
			t.Errorf("%s: %s %q", c.fn, e.Code, e.Message)
		}
	}
	if n := len(scanAll(d, "", "authors")); n != 25 {
		t.Errorf("%d authors: what failed left writes", n)
	}
	// A page ends early where the limit is reached.
	books := make([]value.Object, 30)
	for i := range books {
		books[i] = title(fmt.Sprint(i))
	}
	if _, err := d.Insert(context.Background(), "", "books", books); err != nil {
		t.Fatal(err)
	}
	p := must(t, d, "core:paginate", `{"cursor":null,"n":20}`)
	if n := len(field(p, "page").(value.Array)); n != 20 || field(p, "pageStatus") != "SplitRecommended" {
		t.Errorf("%d documents, status %v", n, field(p, "pageStatus"))
	}
}

func TestByteLimits(t *testing.T) {
	small := DefaultLimits()
	small.BytesRead, small.BytesWritten, small.ArgsBytes, small.ResultBytes, small.ScheduledArgsBytes = 2000, 1000, 3000, 4000, 100
	d := core(t, Options{Limits: &small})
	if _, err := d.Insert(context.Background(), "", "authors", names(40)); err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("x", 1100)
	for _, c := range []struct{ fn, args, want string }{
		{"core:readAll", `{}`, "Uncaught Error: Too many bytes read in a single function execution (limit: 2000 bytes). Consider"},
		{"core:add", `{"title":"` + long + `"}`, "Uncaught Error: Too many bytes written in a single function execution (limit: 1000 B)"},
		{"core:add", `{"title":"` + long + long + long + `"}`, "Arguments for core.js:add are too large (actual: 3.23 KiB, limit: 2.93 KiB)"},
		{"core:later", `{"ms":0,"fn":"core:add","args":{"title":"` + long + `"}}`, "Uncaught Error: Too large total size of the arguments of scheduled functions from this mutation (limit: 100 bytes)"},
		{"core:long", `{"n":5000}`, "Function core.js:long return value is too large (actual: 4.88 KiB, limit: 3.91 KiB)"},
	} {
		if e := fails(t, d, c.fn, c.args); !strings.HasPrefix(e.Message, c.want) {
			t.Errorf("%s: %.200q", c.fn, e.Message)
		}
	}
}

func TestWarningsAtFourFifthsOfALimit(t *testing.T) {
	small := DefaultLimits()
	small.DocumentsRead, small.DocumentsWritten, small.FunctionsScheduled = 10, 10, 10
	d := core(t, Options{Limits: &small})
	if _, err := d.Insert(context.Background(), "", "authors", names(9)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ fn, args, want string }{
		{"core:readAll", `{}`, "Many documents read in a single function execution (actual: 9, limit: 10). " + overLimitHelp},
		{"core:fill", `{"n":9}`, "Many writes in a single function execution (actual: 9, limit: 10)."},
		{"core:fan", `{"n":9}`, "Many functions scheduled by this mutation (actual: 9, limit: 10)."},
		{"core:fill", `{"n":8}`, ""},
	} {
		r := run(t, d, c.fn, c.args)
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		got := ""
		for _, l := range r.Log {
			if l.Level == "WARN" {
				got += strings.Join(l.Messages, " ")
			}
		}
		if got != c.want {
			t.Errorf("%s %s: %q", c.fn, c.args, got)
		}
	}
}

// TestNestedBudget gives a nested mutation a budget of its own.
func TestNestedBudget(t *testing.T) {
	d := core(t, Options{})
	r := must(t, d, "core:limited", `{}`)
	if got := fmt.Sprint(field(r, "caught")); !strings.Contains(got, "Too many writes in a single function execution (limit: 3)") || field(r, "left") != 0.0 {
		t.Error(text(r))
	}
	must(t, d, "core:fill", `{"n":5}`)
}

func TestLogOverflow(t *testing.T) {
	d := core(t, Options{})
	r := run(t, d, "core:chatter", `{"n":300,"long":40000}`)
	if r.Err != nil {
		t.Fatal(r.Err)
	}
	if len(r.Log) != maxLogLines {
		t.Fatalf("%d lines", len(r.Log))
	}
	if last := r.Log[len(r.Log)-1]; last.Level != "ERROR" || last.Messages[0] != "Log overflow (maximum 256). Remaining log lines omitted." {
		t.Errorf("last line %+v", last)
	}
	if first := r.Log[0].Messages[0]; len(first) > maxLogLine+40 {
		t.Errorf("the first line has %d bytes", len(first))
	}
}
