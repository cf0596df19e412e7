package plan

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

var someLimits = Load{32000, 16 << 20, 4096, 16000, 16 << 20, 1000}

// What is recommended keeps every run of that many documents below half of the
// limits, when a batch takes of each document what it weighs. What a batch takes
// besides its documents is not reckoned with: it is a document or two.
func TestRecommendedBatchesStayBelowHalf(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		sizes := rapid.SliceOfN(rapid.Int32Range(50, 1<<20), 1, 400).Draw(t, "sizes")
		if rapid.Bool().Draw(t, "small") {
			for i := range sizes {
				sizes[i] = sizes[i]%2000 + 50
			}
		}
		size := rapid.IntRange(1, 200).Draw(t, "batch")
		load := func(of []int32) (l Load, bytes int64) {
			for _, n := range of {
				bytes += int64(n)
			}
			k := int64(len(of))
			return Load{2 * k, 2 * bytes, k + 3, k + 1, bytes, 1}, bytes
		}
		var m Measure
		for i := 0; i < len(sizes); i += size {
			of := sizes[i:min(len(sizes), i+size)]
			l, bytes := load(of)
			m.Add(Batch{Documents: int64(len(of)), Load: l, Next: true}, bytes)
		}
		n := m.Recommend(someLimits, Scale{}, sizes)
		if n == 0 {
			return
		}
		for i := range sizes {
			l, _ := load(sizes[i:min(len(sizes), i+n)])
			for k, used := range l {
				if k != indexRanges && used*2 >= someLimits[k] && k != documentsWritten {
					t.Fatalf("%d documents from %d on use %d of %d %s", n, i, used, someLimits[k], LimitNames[k])
				}
			}
		}
		if h := m.Headroom(someLimits, Scale{}); h[0].Share < h[len(h)-1].Share {
			t.Fatalf("the fullest is not the first: %v", h)
		}
	})
}

func TestHeadroomOfASmallCopy(t *testing.T) {
	var m Measure
	m.Add(Batch{Documents: 50, Load: Load{100, 50_000, 53, 51, 25_000, 0}}, 20_000)
	head := m.Headroom(someLimits, Scale{Documents: 1000, Batch: 100, Size: 2})
	got := map[string]int64{}
	for _, h := range head {
		got[h.Limit] = h.Used
	}
	if got["documents read"] != 200 || got["bytes read"] != 200_000 || got["bytes written"] != 100_000 || head[0].Limit != "index ranges read" {
		t.Errorf("got %+v", head)
	}
	e := m.Estimate(50, Scale{Documents: 1000, Batch: 100, Size: 2}, 100*time.Millisecond)
	if e.Calls != 11 || e.ReadBytes != 2_000_000 || e.WrittenBytes != 1_000_000 || e.Time != 1100*time.Millisecond || e.Documents != 1000 {
		t.Errorf("got %+v", e)
	}
}

// What a migration schedules beyond its own batches are calls as well.
func TestEstimateCountsWhatIsScheduled(t *testing.T) {
	var m Measure
	m.Add(Batch{Documents: 100, Load: Load{functionsScheduled: 101}, Next: true}, 0)
	m.Add(Batch{Documents: 20, Load: Load{functionsScheduled: 20}}, 0)
	if e := m.Estimate(120, Scale{Batch: 100}, time.Second); e.Calls != 122 || e.Time != 2*time.Second {
		t.Errorf("got %+v", e)
	}
}

// A last batch of one document says nothing of what a document takes.
func TestASmallBatchTellsLittle(t *testing.T) {
	full := Batch{Documents: 100, Load: Load{203, 20_000, 103, 102, 10_000, 1}}
	one := Batch{Documents: 1, Load: Load{5, 500, 5, 3, 400, 0}}
	var a, b, c Measure
	a.Add(full, 9_000)
	b.Add(full, 9_000)
	b.Add(one, 90)
	c.Add(one, 90)
	c.Add(full, 9_000)
	want := a.Recommend(someLimits, Scale{}, nil)
	if x, y := b.Recommend(someLimits, Scale{}, nil), c.Recommend(someLimits, Scale{}, nil); want != 1000 || x != want || y != want {
		t.Errorf("recommended %d, with a small one after it %d, before it %d", want, x, y)
	}
}

func TestNothingIsRecommendedWhereADocumentIsTooMuch(t *testing.T) {
	var m Measure
	m.Add(Batch{Documents: 1, Load: Load{1, 9 << 20, 1, 1, 1, 0}}, 1<<20)
	if n := m.Recommend(someLimits, Scale{}, []int32{1 << 20}); n != 0 {
		t.Errorf("recommended %d", n)
	}
	if n := (&Measure{}).Recommend(someLimits, Scale{}, nil); n != 0 {
		t.Errorf("recommended %d of nothing", n)
	}
}

func TestAcceptedIsAllOfThePassage(t *testing.T) {
	ok := Rehearsal{Migrations: []RehearsedRun{{State: "success"}}}
	if !ok.Accepted() {
		t.Error("a passage that went through is not accepted")
	}
	for name, r := range map[string]Rehearsal{
		"narrow": {Narrow: "no"}, "widen": {Widen: "no"}, "stopped": {Stopped: "no"},
		"failed": {Migrations: []RehearsedRun{{State: "failed"}}},
	} {
		if r.Accepted() {
			t.Errorf("%s: accepted", name)
		}
	}
}
