package schema

import (
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"strait/model/value"
)

func firstMisfits(n int, from, target *Validator, seed uint64) (out []string) {
	for doc := range Misfits(from, target, rand.New(rand.NewPCG(seed, 0)), nil, nil) {
		if out = append(out, value.Display(doc)); len(out) == n {
			break
		}
	}
	return out
}

func TestMisfitsComeInEveryWay(t *testing.T) {
	target := object(req("name", of(String)), req("role", union(lit("admin"), lit("member"))), req("tags", array(of(String))))
	old := object(req("role", union(lit("owner"), lit("guest"), lit("member"))), opt("legacy", of(Boolean)), req("tags", array(union(of(String), of(Null)))))
	widened := Widen(old, target)
	docs := map[string]bool{}
	ways := map[string]bool{}
	for doc := range Misfits(widened, target, rand.New(rand.NewPCG(1, 0)), nil, nil) {
		if !widened.Fits(doc, nil) || target.Fits(doc, nil) {
			t.Fatalf("%s is no misfit", value.Display(doc))
		}
		for _, x := range target.Check(doc, nil) {
			ways[x.Field+" "+x.Reason+" "+x.Got] = true
		}
		if docs[value.Display(doc)] = true; len(docs) == 12 {
			break
		}
	}
	for _, way := range []string{"name missing undefined", `role union "owner"`, `role union "guest"`, "legacy extra boolean", "tags[] type null"} {
		if !ways[way] {
			t.Errorf("none of the first documents is wrong by %q; ways are %v", way, ways)
		}
	}
	if !slices.Equal(firstMisfits(9, widened, target, 1), firstMisfits(9, widened, target, 1)) {
		t.Error("the same seed gives other documents")
	}
	if got := firstMisfits(1, target, widened, 1); got != nil {
		t.Errorf("the widened schema refuses %v", got)
	}
}

// A difference that chance would never hit is found by the witness.
func TestMisfitsFindTheRareOne(t *testing.T) {
	literals := union()
	for i := range 200 {
		literals.Members = append(literals.Members, lit(float64(i)))
	}
	rest := union(literals.Members[1:]...)
	if got := firstMisfits(1, object(req("a", array(literals)), req("t", id("users"))), object(req("a", array(rest)), req("t", id("users"))), 1); len(got) != 1 {
		t.Errorf("misfits are %v", got)
	}
}

func TestMisfitsNeverFit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from, target := genObject(2).Draw(t, "from"), genObject(2).Draw(t, "target")
		if rapid.Bool().Draw(t, "widened") {
			from = Widen(from, target)
		}
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		n := 0
		for doc := range Misfits(from, target, r, testIDs, testTables) {
			if !from.Fits(doc, testTables) || target.Fits(doc, testTables) {
				t.Fatalf("%s of %v is no misfit of %v", value.Display(doc), from, target)
			}
			if n++; n == 20 {
				return
			}
		}
		if ok, w, err := AcceptsDocuments(target, from); n == 0 && (err != nil || !ok) {
			t.Fatalf("%v refuses some of %v, such as %s, but none is made", target, from, value.Display(w))
		}
	})
}
