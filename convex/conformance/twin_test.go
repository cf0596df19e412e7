package conformance

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/convex/fleet"
	"strait/convex/internal/npmtest"
	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/wire"
	"strait/model/value"
	"strait/plan"
)

// TestTwin tells one story to two deployments through Strait's own client and
// fleet: the embedded one, and convex-test with the unmodified component under
// Node. What can be seen must be the same: statuses, batches, examples,
// errors, documents.
func TestTwin(t *testing.T) {
	npm := npmtest.Dir(t)
	root := twinProject(t, npm)
	url, key := serveLocal(t, root)
	ours := twinStory(t, root, url, key)
	url, key = serveTwin(t, npm)
	theirs := twinStory(t, root, url, key)
	compareLines(t, ours, theirs)
}

// serveLocal serves the project on an embedded deployment.
func serveLocal(t *testing.T, root string) (url, key string) {
	t.Helper()
	p, err := project.Load(t.Context(), project.Options{Dir: root})
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range p.Problems {
		t.Errorf("problem: %v", problem)
	}
	d := local.New(local.Options{Name: "twin"})
	t.Cleanup(func() { d.Close() })
	if err := d.Push(t.Context(), local.Push{App: p.App}); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(d.Handler())
	t.Cleanup(server.Close)
	return server.URL, d.AdminKey()
}

// serveTwin serves the same project under Node until the test ends.
func serveTwin(t *testing.T, npm string) (url, key string) {
	t.Helper()
	cmd := exec.Command("node", "twin/server.mjs", "twin/convex")
	cmd.Dir, cmd.Stderr = npm, os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	var at struct{ URL, Key string }
	if err := errors.Join(err, json.Unmarshal(line, &at)); err != nil {
		t.Fatalf("the twin said %q: %v", line, err)
	}
	return at.URL, at.Key
}

// twin is one telling of the story.
type twin struct {
	t    *testing.T
	ctx  context.Context
	c    *wire.Client
	f    *fleet.Fleet
	seen []string
}

func (s *twin) say(format string, args ...any) { s.seen = append(s.seen, fmt.Sprintf(format, args...)) }

func twinStory(t *testing.T, root, url, key string) []string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	t.Setenv("STRAIT_TWIN_KEY", key)
	config := fmt.Sprintf("[[env]]\nname = \"twin\"\nurl = %q\nkey_env = \"STRAIT_TWIN_KEY\"\n", url)
	writeFile(t, filepath.Join(root, "strait.toml"), config)
	os.RemoveAll(filepath.Join(root, ".strait")) // what the story before left in the journal
	s := &twin{t: t, ctx: ctx, c: wire.New(wire.Options{URL: url, AdminKey: key})}
	defer s.c.Close()
	s.calls()
	s.f = fleet.Open(ctx, fleet.Options{Dir: root})
	defer s.f.Close()
	s.migrations()
	s.documents()
	return s.seen
}

// calls tells what plain calls and a live query answer.
func (s *twin) calls() {
	s.call("users:fill", value.NewObject(value.Field{Name: "from", Value: 0.0}, value.Field{Name: "to", Value: 150.0}))
	odd := value.Array{int64(7), value.Bytes("\x00\xff"), "é🚢", nil, value.NewObject(value.Field{Name: "a", Value: -0.5})}
	s.call("users:odd", value.NewObject(value.Field{Name: "x", Value: odd}))
	s.call("users:nobody", value.Object{})
	updates := make(chan string, 16)
	stop := s.c.Subscribe(wire.Call{Path: "users:cities"}, func(u wire.Update) {
		updates <- fmt.Sprintf("%s %v", value.Append(nil, u.Value), u.Err)
	})
	defer stop()
	s.say("cities %s", s.next(updates))
	move := func(name, city string) {
		args := value.NewObject(value.Field{Name: "name", Value: name}, value.Field{Name: "city", Value: city})
		r, err := s.c.Mutate(s.ctx, wire.Call{Path: "users:move", Args: args})
		s.answer("users:move", r, err)
	}
	move("user 3", "Lisbon")
	s.say("cities %s", s.next(updates))
	move("user 3", "city 3")
	s.say("cities %s", s.next(updates))
	move("nobody", "Lisbon")
	_, err := s.c.MigrationStatuses(s.ctx, "migrations", []string{"migrations:setPlan"})
	s.say("statuses %v", err)
}

func (s *twin) next(updates <-chan string) string {
	select {
	case u := <-updates:
		return u
	case <-s.ctx.Done():
		s.t.Fatalf("the live query tells nothing\n%s", strings.Join(s.seen, "\n"))
		return ""
	}
}

func (s *twin) call(path string, args value.Object) {
	r, err := s.c.Function(s.ctx, wire.Call{Path: path, Args: args})
	s.answer(path, r, err)
}

func (s *twin) answer(path string, r wire.Result, err error) {
	var failed *wire.FunctionError
	switch {
	case errors.As(err, &failed):
		data, _ := json.Marshal(string(value.Append(nil, failed.Data)))
		s.say("%s failed, missing %v, data %v %s, lines %q", path, failed.Missing(), failed.HasData, data, failed.LogLines)
	case err != nil:
		s.t.Fatalf("%s: %v", path, err)
	default:
		s.say("%s = %s %q", path, value.Append(nil, r.Value), r.LogLines)
	}
}

// migrations tells how dry runs, runs, a failure, a series and a hand-written
// migration go.
func (s *twin) migrations() {
	s.do(fleet.Command{Action: plan.ActDryRun, Migration: "migrations:setPlan"})
	s.do(fleet.Command{Action: plan.ActRun, Migration: "migrations:setPlan", BatchSize: 60})
	s.do(fleet.Command{Action: plan.ActDryRun, Migration: "migrations:needCity", BatchSize: 100})
	s.do(fleet.Command{Action: plan.ActRun, Migration: "migrations:needCity"})
	s.call("users:move", value.NewObject(value.Field{Name: "name", Value: "user 77"}, value.Field{Name: "city", Value: "Porto"}))
	s.do(fleet.Command{Action: plan.ActRun, Migration: "migrations:needCity"})
	s.steps("migrations:greet", 2)
	s.do(fleet.Command{Action: plan.ActRun, Migration: "migrations:all"})
	s.do(fleet.Command{Action: plan.ActRun, Migration: "migrations:setPlan", Reset: true})
	s.do(fleet.Command{Action: plan.ActRun, Migration: "migrations:trimBio", BatchSize: 64})
	s.do(fleet.Command{Action: plan.ActCensus})
	env := s.f.Now().Envs[0]
	names := make([]string, 0, len(env.Runs))
	for name := range env.Runs {
		names = append(names, name)
	}
	slices.Sort(names)
	if names[0] == "" {
		s.t.Error("a run of no migration")
	}
	for _, name := range names {
		r := env.Runs[name]
		s.say("run %s %s %d of %d", name, r.State, r.Processed, r.Total)
	}
	s.say("%s in %v, %d documents, schema %s", env.State, env.Tables, env.Documents, env.SchemaHash)
}

func (s *twin) do(c fleet.Command) {
	c.Env, c.By = "twin", "cli"
	out, err := s.f.Run(s.ctx, c, nil)
	if err != nil {
		s.t.Fatalf("%s %s: %v", c.Action, c.Migration, err)
	}
	s.say("%s %s: %s after %d", c.Action, c.Migration, out.Status, out.Processed)
	if out.Failure != nil {
		body, _ := out.Failure.Body.Get("name")
		s.say("  %s, document %v", out.Failure.Summary, body)
	}
	if out.Census != nil {
		s.say("  census: read %d, offenders %d", out.Census.Read, out.Census.Offenders)
	}
	if out.DryRun != nil {
		for _, x := range out.DryRun.Examples {
			s.say("  %s -> %s", timelessValue(x.Before), timelessValue(x.After))
		}
	}
	for _, w := range out.Warnings {
		s.say("  warning %s", w.Code)
	}
}

// steps goes so many batches supervised, and stops.
func (s *twin) steps(migration string, n int) {
	c := fleet.Command{Action: plan.ActRun, Env: "twin", Migration: migration, Supervised: true, Steps: n}
	out, err := s.f.Run(s.ctx, c, func(e fleet.Event) {
		if e.Kind != "batch" {
			return
		}
		s.say("batch of %d, %d so far", e.Batch.Documents, e.Processed)
		if n--; n > 0 {
			return
		}
		if err := s.f.Do(s.ctx, fleet.Command{Action: plan.ActCancel, Env: "twin", Migration: migration}); err != nil {
			s.t.Error(err)
		}
	})
	if err != nil {
		s.t.Fatal(err)
	}
	s.say("supervised %s: %s after %d", migration, out.Status, out.Processed)
}

// timelessValue is a document without what differs between deployments.
func timelessValue(v value.Value) []byte {
	if o, ok := v.(value.Object); ok {
		v = o.Without("_id").Without("_creationTime")
	}
	return value.Append(nil, v)
}

// documents tells every document as it is in the end.
func (s *twin) documents() {
	page, err := s.c.TableData(s.ctx, "", "users", "asc", "", 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	var lines []string
	for _, doc := range page.Documents {
		lines = append(lines, string(timelessValue(doc)))
	}
	slices.Sort(lines)
	s.seen = append(s.seen, lines...)
	if len(lines) != 150 || !strings.Contains(lines[0], "greeting") {
		s.t.Errorf("%d documents, the first is %s", len(lines), lines[0])
	}
}
