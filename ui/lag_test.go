package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/x/ansi"

	"strait/convex/fleet"
	"strait/convex/local"
	"strait/convex/project"
)

// eye looks at the frames and at what is written of them: it tells when a
// text was painted.
type eye struct {
	mu    sync.Mutex
	want  string
	drawn bool
	seen  chan time.Time
}

// look waits for a text from now on.
func (e *eye) look(want string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.want, e.drawn = want, false
}

func (e *eye) frame(content string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.drawn = e.drawn || e.want != "" && strings.Contains(ansi.Strip(content), e.want)
}

func (e *eye) Write(p []byte) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.drawn {
		e.drawn, e.want = false, ""
		e.seen <- time.Now()
	}
	return len(p), nil
}

// watched is the program under an eye.
type watched struct {
	program
	eye *eye
}

func (w watched) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	next, cmd := w.program.Update(msg)
	w.program = next.(program)
	return w, cmd
}

func (w watched) View() tea.View {
	v := w.program.View()
	w.eye.frame(v.Content)
	return v
}

// overTCP serves an embedded deployment of the demo on loopback, and opens a
// fleet that knows it by URL and key.
func overTCP(b *testing.B, users int) (*local.Deployment, string, *fleet.Fleet) {
	b.Helper()
	ctx := b.Context()
	dir := b.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	if err := os.CopyFS(dir, os.DirFS("../testdata/demo")); err != nil {
		b.Fatal(err)
	}
	write("strait.toml", fmt.Sprintf("target = \"convex/schema.ts\"\n[[env]]\nname = \"lab\"\ngenerate = { teams = 10, users = %d }\ndocuments = \"schemas/before.ts\"\nschema = \"widened\"\n", users))
	p, err := project.Load(ctx, project.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	d, err := fleet.OpenEmbedded(ctx, p, "lab", func(string) {})
	if err != nil {
		b.Fatal(err)
	}
	srv := httptest.NewServer(d.Handler())
	b.Cleanup(func() {
		srv.CloseClientConnections()
		srv.Close()
		d.Close()
	})
	write("strait.toml", fmt.Sprintf("target = \"convex/schema.ts\"\n[[env]]\nname = \"far\"\nurl = %q\nkey_env = \"STRAIT_FAR_KEY\"\n", srv.URL))
	write(".env.local", "STRAIT_FAR_KEY="+d.AdminKey()+"\n")
	if p, err = project.Load(ctx, project.Options{Dir: dir}); err != nil {
		b.Fatal(err)
	}
	f := fleet.Open(ctx, fleet.Options{Project: p})
	b.Cleanup(func() { f.Close() })
	if err := f.Settled(ctx); err != nil {
		b.Fatal(err)
	}
	return d, srv.URL, f
}

// BenchmarkCommitToFrame is the lag from the commit of a mutation in a
// deployment, over TCP, to the write of the frame that shows it. The pauses
// between the mutations are such that the commits fall anywhere between two
// beats of the renderer and of the fleet.
func BenchmarkCommitToFrame(b *testing.B) {
	d, url, f := overTCP(b, 200)
	e := &eye{seen: make(chan time.Time, 1)}
	in, keys := io.Pipe()
	defer keys.Close()
	ctx, cancel := context.WithCancel(b.Context())
	root := newRoot(deps{ctx: ctx, engine: f, now: time.Now, dark: true, verb: "strait"})
	prog := tea.NewProgram(watched{program{root, &crash{quit: func() {}}}, e}, tea.WithInput(in), tea.WithOutput(e), tea.WithWindowSize(120, 36),
		tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond), tea.WithEnvironment([]string{"TERM=xterm-256color"}))
	over := make(chan struct{})
	go func() {
		defer close(over)
		if _, err := prog.Run(); err != nil && ctx.Err() == nil {
			b.Error(err)
		}
	}()
	defer func() {
		cancel()
		prog.Quit()
		<-over
	}()
	team := func(name string) time.Time {
		text, _ := json.Marshal(map[string]any{"path": "teams:create", "args": map[string]string{"name": name, "slug": name, "city": "Oslo"}, "format": "json"})
		var commit time.Time
		done := make(chan struct{})
		at, err := d.Wait(ctx, 0)
		if err != nil {
			b.Fatal(err)
		}
		go func() {
			defer close(done)
			if _, err := d.Wait(ctx, at); err == nil {
				commit = time.Now()
			}
		}()
		req, _ := http.NewRequest("POST", url+"/api/mutation", bytes.NewReader(text))
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Convex "+d.AdminKey())
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(res.Body)
		if !bytes.Contains(body, []byte(`"success"`)) {
			b.Fatalf("the mutation: %s", body)
		}
		<-done
		return commit
	}
	count0 := f.Now().Envs[0].Documents
	var lags []time.Duration
	for n := int64(1); b.Loop(); n++ {
		b.StopTimer()
		time.Sleep(time.Duration(n*37%150) * time.Millisecond) // pacing, not a wait
		e.look(count(count0+n) + " docs")
		b.StartTimer()
		commit := team(fmt.Sprint("team ", n))
		select {
		case painted := <-e.seen:
			lags = append(lags, painted.Sub(commit))
		case <-time.After(10 * time.Second):
			b.Fatalf("never painted: %s", count(count0+n))
		}
	}
	slices.Sort(lags)
	ms := func(q float64) float64 {
		return float64(lags[min(len(lags)-1, int(q*float64(len(lags))))].Microseconds()) / 1000
	}
	b.ReportMetric(ms(0.5), "ms/median")
	b.ReportMetric(ms(0.95), "ms/p95")
	b.ReportMetric(0, "ns/op")
}
