package plan

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever the candidates: what is offered is one of them and likely, both
// sides say the same, and a sure renaming has no rival.
func TestOffersAreConsistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var cs []candidate
		points := map[rename]int{}
		for i := range rapid.IntRange(0, 4).Draw(t, "old") {
			for j := range rapid.IntRange(0, 4).Draw(t, "fresh") {
				r := rename{fmt.Sprint("old", i), fmt.Sprint("new", j)}
				points[r] = rapid.SampledFrom([]int{0, 40, 50, 55, 60, 61, 70, 90}).Draw(t, "points")
				cs = append(cs, candidate{r, points[r]})
			}
		}
		got := settle(slices.Clone(cs), likelyField)
		best := 0
		for r, p := range points {
			best = max(best, p)
			to, from := got.to[r.old], got.from[r.fresh]
			if slices.Contains(to.names, r.fresh) != slices.Contains(from.names, r.old) {
				t.Fatalf("%v is offered on one side only: %+v", r, got)
			}
			if slices.Contains(to.names, r.fresh) && p < likelyField {
				t.Fatalf("%v is offered for %d points", r, p)
			}
			if (to.sure() == r.fresh) != (from.sure() == r.old) {
				t.Fatalf("%v is sure on one side only: %+v", r, got)
			}
			if to.sure() != r.fresh {
				continue
			}
			for x, q := range points {
				if (x.old == r.old) != (x.fresh == r.fresh) && q == p && free(points, x, r) {
					t.Fatalf("%v is as likely as %v, which is taken for sure: %+v", x, r, got)
				}
			}
		}
		if best >= likelyField && len(got.to) == 0 {
			t.Fatalf("nothing comes of %+v", cs)
		}
	})
}

// free reports whether nothing is as good for the name that x does not share
// with r.
func free(points map[rename]int, x, r rename) bool {
	for y, q := range points {
		if y != x && q >= points[x] && (x.old == r.old && y.fresh == x.fresh || x.fresh == r.fresh && y.old == x.old) {
			return false
		}
	}
	return true
}

func TestOffersAsTheyAreTold(t *testing.T) {
	c := func(old, fresh string, points int) candidate { return candidate{rename{old, fresh}, points} }
	for name, x := range map[string]struct {
		cs       []candidate
		old      string
		to, sure string
		fresh    string
		from     string
	}{
		"one":       {[]candidate{c("a", "x", 60)}, "a", ", perhaps renamed to x", "x", "x", ", perhaps renamed from a"},
		"unlikely":  {[]candidate{c("a", "x", 49)}, "a", "", "", "x", ""},
		"better":    {[]candidate{c("a", "x", 71), c("a", "y", 60)}, "a", ", perhaps renamed to x", "x", "y", ""},
		"two new":   {[]candidate{c("a", "x", 70), c("a", "y", 60)}, "a", ", perhaps renamed to x or y", "", "y", ", perhaps renamed from a, unless x is"},
		"two old":   {[]candidate{c("a", "x", 70), c("b", "x", 70)}, "b", ", perhaps renamed to x, unless a is", "", "x", ", perhaps renamed from a or b"},
		"taken":     {[]candidate{c("a", "x", 70), c("a", "y", 65), c("b", "y", 80)}, "a", ", perhaps renamed to x", "x", "y", ", perhaps renamed from b"},
		"in order":  {[]candidate{c("a", "x", 70), c("a", "y", 60), c("b", "x", 60), c("b", "y", 70)}, "a", ", perhaps renamed to x", "x", "y", ", perhaps renamed from b"},
		"too many":  {[]candidate{c("a", "w", 70), c("a", "x", 70), c("a", "y", 70), c("a", "z", 70)}, "a", "", "", "z", ""},
		"one of it": {[]candidate{c("a", "w", 70), c("a", "x", 70), c("a", "y", 70), c("a", "z", 70), c("b", "q", 50)}, "b", ", perhaps renamed to q", "q", "q", ", perhaps renamed from b"},
	} {
		r := settle(x.cs, likelyField)
		if to, from := r.to[x.old].text("to"), r.from[x.fresh].text("from"); to != x.to || from != x.from || r.to[x.old].sure() != x.sure {
			t.Errorf("%s: got %q, %q, sure %q\n%+v", name, to, from, r.to[x.old].sure(), r)
		}
	}
}
