package conformance

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"strait/convex/fleet"
	"strait/convex/internal/npmtest"
	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/snapshot"
	"strait/model/value"
)

// BenchmarkRehearsal rehearses the whole passage from an export: read it, widen,
// the migration of BenchmarkMigration batch by batch, compare what became of
// the documents, census and narrow. Beside it convex-test runs the same
// component and migration on the same documents, of which only the migration is
// timed: up to 10,000 documents, since it is quadratic, and with
// STRAIT_PEER=100000 for seven minutes of a processor more. What to beat: 1.2
// times as fast at 1,000 documents, 7 times at 10,000, 60 times at 100,000.
//
//	go test ./convex/conformance -run '^$' -bench Rehearsal -benchtime 1x
func BenchmarkRehearsal(b *testing.B) {
	npm := npmtest.Dir(b)
	p, err := project.Load(b.Context(), project.Options{Dir: filepath.Join(npm, "peer")})
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1_000, 10_000, 100_000} {
		users := makeUsers(b, p.Schema, n)
		b.Run(fmt.Sprintf("strait/%d", n), func(b *testing.B) { benchRehearsal(b, p, exportOf(b, users), n) })
		if n <= 10_000 || os.Getenv("STRAIT_PEER") == fmt.Sprint(n) {
			b.Run(fmt.Sprintf("convex-test/%d", n), func(b *testing.B) {
				benchConvexTest(b, npm, users)
				b.ReportMetric(0, "ns/op") // which holds the start of Node and the filling
			})
		}
	}
}

func benchRehearsal(b *testing.B, p *project.Project, file string, n int) {
	for b.Loop() {
		r, err := fleet.Rehearse(b.Context(), p, fleet.RehearseOptions{Export: file}, nil)
		if err != nil {
			b.Fatal(err)
		}
		if !r.Accepted() || len(r.Migrations) != 1 || r.Migrations[0].Changed != int64(n) || r.Census.Read != int64(n) {
			b.Fatalf("the rehearsal did not end well: %+v", r)
		}
	}
	perDocument := b.Elapsed().Seconds() / float64(b.N) / float64(n)
	b.ReportMetric(perDocument*1e6, "µs/doc")
	b.ReportMetric(1/perDocument, "docs/s")
}

// exportOf writes an export of users.
func exportOf(b *testing.B, users []value.Object) string {
	b.Helper()
	d := local.New(local.Options{Seed: 1})
	defer d.Close()
	if _, err := d.Insert(b.Context(), "", "users", users); err != nil {
		b.Fatal(err)
	}
	file, err := os.Create(filepath.Join(b.TempDir(), "users.zip"))
	if err != nil {
		b.Fatal(err)
	}
	w, err := snapshot.NewWriter(file)
	view := d.View()
	number, _ := view.TableNumber("", "users")
	err = errors.Join(err, w.Tables("", []snapshot.Table{{Name: "users", Number: number}}), w.Begin("", "users"))
	for doc := range view.Scan("", "users", "", false) {
		v, bad := value.Decode([]byte(doc.JSON))
		o, _ := v.(value.Object)
		err = errors.Join(err, bad, w.Write(o))
	}
	if err := errors.Join(err, w.Close(), file.Close()); err != nil {
		b.Fatal(err)
	}
	return file.Name()
}
