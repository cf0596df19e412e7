package conformance

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"

	"strait/convex/internal/npmtest"
	"strait/convex/jsrun"
	"strait/convex/local"
	"strait/convex/project"
	"strait/model/schema"
	"strait/model/value"
)

// BenchmarkMigration runs a migration of one conditional patch a document,
// batch 100, by the unmodified migrations component: in the embedded
// deployment, and in convex-test: up to 10,000 documents, since it is
// quadratic; with STRAIT_PEER=100000 for seven minutes more.
// Both get the same documents and the same migration, of testdata/npm/peer.
// "built-in" is the embedded deployment with the component of the prelude.
// What to beat: 1.2 times as fast at 1,000 documents, 3 times at 10,000, 40
// times at 100,000 (design.md section 11).
//
//	go test ./convex/conformance -run '^$' -bench Migration -benchtime 1x
func BenchmarkMigration(b *testing.B) {
	npm := npmtest.Dir(b)
	p, err := project.Load(b.Context(), project.Options{Dir: filepath.Join(npm, "peer")})
	if err != nil {
		b.Fatal(err)
	}
	bare := filepath.Join(b.TempDir(), "peer")
	if err := os.CopyFS(bare, os.DirFS(filepath.Join(npm, "peer"))); err != nil {
		b.Fatal(err)
	}
	builtIn, err := project.Load(b.Context(), project.Options{Dir: bare})
	if err != nil {
		b.Fatal(err)
	}
	for p, want := range map[*project.Project]string{p: "0.3.6", builtIn: "built-in"} {
		if got := p.Packages["@convex-dev/migrations"]; got != want {
			b.Fatalf("the migrations package is %s, want %s", got, want)
		}
	}
	for _, n := range []int{1_000, 10_000, 100_000} {
		users := makeUsers(b, p.Schema, n)
		b.Run(fmt.Sprintf("embedded/%d", n), func(b *testing.B) { benchEmbedded(b, p, users) })
		b.Run(fmt.Sprintf("built-in/%d", n), func(b *testing.B) { benchEmbedded(b, builtIn, users) })
		if n <= 10_000 || os.Getenv("STRAIT_PEER") == fmt.Sprint(n) {
			b.Run(fmt.Sprintf("convex-test/%d", n), func(b *testing.B) { benchConvexTest(b, npm, users) })
		}
	}
}

func makeUsers(b *testing.B, s *schema.Schema, n int) []value.Object {
	b.Helper()
	sampler := schema.NewSampler(1, nil)
	users := make([]value.Object, n)
	for i := range users {
		doc, err := sampler.Document(s.Table("users"))
		if err != nil {
			b.Fatal(err)
		}
		users[i] = doc.Without("plan")
	}
	return users
}

func benchEmbedded(b *testing.B, p *project.Project, users []value.Object) {
	var peak, documents float64
	for b.Loop() {
		b.StopTimer()
		d := local.New(local.Options{Seed: 1})
		empty := heap()
		if _, err := d.Insert(b.Context(), "", "users", users); err != nil {
			b.Fatal(err)
		}
		if err := d.Push(b.Context(), local.Push{App: p.App}); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		migrateUsers(b.Context(), b, d, len(users))
		b.StopTimer()
		peak, documents = heap()-empty, float64(d.View().Tables("")[0].Bytes)
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/float64(len(users)), "µs/doc")
	if documents > 10e6 { // else the deployment's own memory outweighs them
		b.ReportMetric(peak/documents, "heap/docs")
	}
}

func heap() float64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// migrateUsers starts the migration and waits for its end.
func migrateUsers(ctx context.Context, b *testing.B, d *local.Deployment, n int) {
	b.Helper()
	r := d.Run(ctx, local.Request{Path: "migrations:setPlan", Args: `{}`, Type: jsrun.Mutation, Admin: true})
	if r.Err != nil {
		b.Fatal(r.Err)
	}
	settle(b, ctx, d)
	r = d.Run(ctx, local.Request{Component: "migrations", Path: "lib:getStatus", Args: `{}`, Type: jsrun.Query, Admin: true})
	var status []struct {
		State     string
		Processed int
	}
	if r.Err != nil {
		b.Fatal(r.Err)
	}
	if err := json.Unmarshal([]byte(r.Value), &status); err != nil {
		b.Fatal(err)
	}
	if status[0].State != "success" || status[0].Processed != n {
		b.Fatalf("the migration did not end well: %s", r.Value)
	}
}

func benchConvexTest(b *testing.B, npm string, users []value.Object) {
	var lines bytes.Buffer
	for _, user := range users {
		lines.Write(value.Append(nil, user))
		lines.WriteByte('\n')
	}
	file := filepath.Join(b.TempDir(), "users.jsonl")
	if err := os.WriteFile(file, lines.Bytes(), 0o644); err != nil {
		b.Fatal(err)
	}
	var micros float64
	for b.Loop() {
		node := exec.CommandContext(b.Context(), "node", filepath.Join(npm, "peer.mjs"), file)
		node.Stderr = os.Stderr
		out, err := node.Output()
		if err != nil {
			b.Fatal(err)
		}
		var took struct{ MicrosPerDocument float64 }
		if err := json.Unmarshal(out, &took); err != nil {
			b.Fatal(err)
		}
		micros += took.MicrosPerDocument
	}
	b.ReportMetric(micros/float64(b.N), "µs/doc")
}
