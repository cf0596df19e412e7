package fleet

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Whatever was written, the end of the journal is the end of what reading all
// of it gives.
func TestTheEndOfTheJournalIsItsEnd(t *testing.T) {
	dir := t.TempDir()
	times := 0
	rapid.Check(t, func(rt *rapid.T) {
		times++
		j := &journal{path: filepath.Join(dir, fmt.Sprint(times))}
		// Drawn one by one, hundreds of lines would take most of the time.
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "lines"), 1))
		torn := rapid.SampledFrom([]float64{0, 0.02, 0.5, 1}).Draw(rt, "torn")
		longest := rapid.SampledFrom([]int{1, 400, 1500}).Draw(rt, "longest")
		var text []byte
		for i := range rapid.IntRange(0, 900).Draw(rt, "entries") {
			line, err := json.Marshal(entry{At: time.Unix(int64(i), 0), ID: fmt.Sprint(i), Override: strings.Repeat("é", r.IntN(longest))})
			if err != nil {
				rt.Fatal(err)
			}
			text = append(append(text, line...), '\n')
			if r.Float64() < torn {
				text = append(text, "{\"torn\":\n"...)
			}
		}
		if err := os.WriteFile(j.path, text, 0o600); err != nil {
			rt.Fatal(err)
		}
		var all []entry
		if _, err := j.read(func(e entry) {
			if e.Phase != tornLine {
				all = append(all, e)
			}
		}); err != nil {
			rt.Fatal(err)
		}
		most := rapid.IntRange(1, 1000).Draw(rt, "most")
		got, err := j.last(most, Journal{})
		if err != nil {
			rt.Fatal(err)
		}
		// What was not read may be nothing but a torn line.
		if more := len(got.Entries) < len(all); got.More != more && (more || torn == 0) {
			rt.Fatalf("more is %v of %d of %d", got.More, len(got.Entries), len(all))
		}
		if want := min(most, len(all)); torn == 0 && len(got.Entries) != want {
			rt.Fatalf("%d entries of %d, %d were asked for", len(got.Entries), len(all), most)
		}
		// A torn line takes the place of an entry, never of two.
		if len(got.Entries) > most || len(got.Entries) < min(most, len(all))/2 {
			rt.Fatalf("%d entries, %d were asked for", len(got.Entries), most)
		}
		for i, e := range got.Entries {
			if w := all[len(all)-len(got.Entries)+i]; e.ID != w.ID {
				rt.Fatalf("entry %s in place of %s", e.ID, w.ID)
			}
		}
		if again, _ := j.last(most, got); len(again.Entries) > 0 && &again.Entries[0] != &got.Entries[0] {
			rt.Fatal("it was read again, though nothing was added")
		}
	})
	if _, err := newJournal(filepath.Join(dir, "none")).last(5, Journal{}); err != nil {
		t.Fatalf("no journal is no error: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Fatal("reading has made a file")
	}
}
