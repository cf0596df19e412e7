package census

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"testing"

	"strait/model/schema"
	"strait/model/value"
)

// Over all samples of a population, at most one in twenty has a bound below
// what there is: counted out for every population of up to 40.
func TestBoundHoldsExactly(t *testing.T) {
	for all := int64(1); all <= 40; all++ {
		for read := int64(0); read <= all; read++ {
			var bounds []int64
			for found := int64(0); found <= read; found++ {
				b := mostOffenders(all, read, found)
				if b < found || b > all-(read-found) {
					t.Fatalf("bound of %d in %d of %d: %d", found, read, all, b)
				}
				bounds = append(bounds, b)
			}
			for bad := int64(0); bad <= all; bad++ {
				missed, before := 0.0, 0.0
				for found, b := range bounds {
					sofar := atMost(all, bad, read, int64(found))
					if b < bad {
						missed += sofar - before
					}
					before = sofar
				}
				if missed > 0.05+1e-9 {
					t.Fatalf("%d offenders of %d, %d read: the bound is too low in %.4f of all cases", bad, all, read, missed)
				}
			}
		}
	}
}

func TestBoundOfLargeTables(t *testing.T) {
	for _, test := range []struct{ all, read, found, least, most int64 }{
		{1_000_000, 0, 0, 1_000_000, 1_000_000},
		{1_000_000, 1000, 0, 2900, 3000}, // the rule of three
		{1_000_000_000, 10_000, 0, 295_000, 300_000},
		{1_000_000, 1000, 500, 520_000, 535_000},
		{5000, 5000, 3, 3, 3},
		{1000, 1000, 1000, 1000, 1000},
	} {
		if got := mostOffenders(test.all, test.read, test.found); got < test.least || got > test.most {
			t.Errorf("%d in %d of %d: at most %d, want %d to %d", test.found, test.read, test.all, got, test.least, test.most)
		}
	}
}

// A run of neighbours by id, from a random point and round, is as good as a
// random sample: over many populations the bound holds in 95 % of all cases.
// Offenders are the first or the last made, as after a migration that stopped.
func TestBoundHoldsForRunsOfIDs(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	const runs = 4000
	held := 0
	for range runs {
		all := 20 + r.IntN(400)
		bad := r.IntN(all + 1)
		if r.IntN(2) == 0 {
			bad = r.IntN(1 + all/20)
		}
		read := 1 + r.IntN(all)
		type document struct {
			id  string
			bad bool
		}
		docs := make([]document, all)
		for i := range docs {
			docs[i] = document{randomID(r), i < bad}
		}
		slices.SortFunc(docs, func(a, b document) int { return value.Compare(a.id, b.id) })
		start, _ := slices.BinarySearchFunc(docs, randomID(r), func(d document, id string) int { return value.Compare(d.id, id) })
		found := int64(0)
		for i := range read {
			if docs[(start+i)%all].bad {
				found++
			}
		}
		if mostOffenders(int64(all), int64(read), found) >= int64(bad) {
			held++
		}
	}
	if held < runs*95/100 {
		t.Errorf("the bound held in %d of %d cases", held, runs)
	}
}

func randomID(r *rand.Rand) string {
	var random [14]byte
	binary.BigEndian.PutUint64(random[:], r.Uint64())
	binary.BigEndian.PutUint64(random[6:], r.Uint64())
	return value.NewID(10001, random, uint16(r.IntN(2))).String()
}

// A sample reads as many documents as it was told to, wherever it begins, and
// its bound holds; a table that is no larger is read whole.
func TestSample(t *testing.T) {
	slow(t)
	d, c := embedded(t, nil)
	target := &schema.Schema{Tables: []*schema.Table{{Name: "users", Document: object(req("n", kind(schema.Number)))}, {Name: "few", Document: object(req("n", kind(schema.Number)))}}}
	var docs []value.Object
	for i := range 200 {
		doc := value.NewObject(value.Field{Name: "n", Value: float64(i)})
		if i < 30 {
			doc = doc.With("n", nil)
		}
		docs = append(docs, doc)
	}
	insert(t, d, "", "few", docs[20:50])
	for _, component := range []string{"", "billing"} {
		insert(t, d, component, "users", docs)
	}
	held, found := 0, map[int64]bool{}
	const runs = 60
	for i := range runs {
		o := Options{Target: target, Sample: 40, Seed: uint64(i) + 1}
		if i%2 == 1 {
			o.Component, o.ComponentID = "billing", componentID(t, c, "billing")
		}
		if i%3 == 0 {
			o.Rate = 1e6
		}
		got, err := Deployment(t.Context(), c, o)
		if err != nil {
			t.Fatal(err)
		}
		users := got.Counts["users"]
		if users.Read != 40 || got.Full || got.Stopped != "" || got.Brought != "" {
			t.Fatalf("%+v", got)
		}
		if users.Most >= 30 {
			held++
		}
		found[users.Offenders] = true
		if few := got.Counts["few"]; o.Component == "" && (few.Read != 30 || few.Offenders != 10 || few.Most != 10) {
			t.Fatalf("few: %+v", few)
		}
	}
	if held < runs*95/100 || len(found) < 4 {
		t.Errorf("the bound held in %d of %d cases; offenders found: %v", held, runs, found)
	}
}
