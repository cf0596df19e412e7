package project

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/charmbracelet/x/exp/golden"

	"strait/model/source"
)

// What the demo's code says, read by hand against testdata/demo.
func TestCodeOfDemo(t *testing.T) {
	p := load(t, "../../testdata/demo")
	facts, err := p.Code(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	golden.RequireEqual(t, showFacts(facts))
}

// showFacts prints facts one a line.
func showFacts(f *source.Facts) []byte {
	var b strings.Builder
	line := func(v any) {
		text, err := json.Marshal(v)
		if err != nil {
			panic(err)
		}
		fmt.Fprintf(&b, "%s\n", text)
	}
	write := func(indent string, w source.Write) {
		fmt.Fprintf(&b, "%s%s:%d %s %s %s", indent, w.File, w.Line, w.Function, w.Op, w.Table)
		for _, x := range w.Fields {
			fmt.Fprintf(&b, "\n%s    %s: %s", indent, x.Name, x.Value)
			if x.Unset {
				b.WriteString(" unset")
			}
			if x.Maybe {
				b.WriteString(" maybe")
			}
			if len(x.From) > 0 {
				fmt.Fprintf(&b, " from %s", strings.Join(x.From, ", "))
			}
		}
		for _, flag := range []struct {
			on   bool
			text string
		}{{w.Open, "open"}, {w.Guarded, "guarded"}, {w.Returned, "returned"}} {
			if flag.on {
				fmt.Fprintf(&b, "\n%s    (%s)", indent, flag.text)
			}
		}
		b.WriteByte('\n')
	}
	read := func(indent string, r source.Read) {
		fmt.Fprintf(&b, "%s%s:%d %s reads %s index=%q bounded=%v end=%s\n", indent, r.File, r.Line, r.Function, r.Table, r.Index, r.Bounded, r.End)
	}
	for _, w := range f.Writes {
		write("", w)
	}
	for _, r := range f.Reads {
		read("", r)
	}
	for _, j := range f.Jobs {
		line(j)
	}
	for _, name := range sortedKeys(f.Migrations) {
		m := f.Migrations[name]
		fmt.Fprintf(&b, "%s %s:%d table=%s range=%q schedules=%v clock=%v open=%v\n", name, m.File, m.Line, m.Table, m.RangeIndex, m.Schedules, m.Clock, m.Open)
		for _, w := range m.Writes {
			write("    ", w)
		}
		for _, r := range m.Reads {
			read("    ", r)
		}
	}
	for _, u := range f.Unread {
		line(u)
	}
	return []byte(b.String())
}

func TestCodeIsReadOnce(t *testing.T) {
	p := load(t, "../../testdata/demo")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Code(ended); !errors.Is(err, context.Canceled) {
		t.Fatalf("Code of an ended context: %v", err)
	}
	var wait sync.WaitGroup
	got := make([]*source.Facts, 8)
	for i := range got {
		wait.Go(func() { got[i], _ = p.Code(t.Context()) })
	}
	wait.Wait()
	for _, f := range got {
		if f == nil || f != got[0] {
			t.Fatalf("several callers got %p and %p", got[0], f)
		}
	}
}
