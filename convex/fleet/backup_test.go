package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"strait/convex/project"
	"strait/convex/snapshot"
	"strait/plan"
)

// backups lists the folder of the backups, but for what keeps it out of git.
func backups(t *testing.T, root string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, ".strait", "backups"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.Name() != ".gitignore" {
			names = append(names, e.Name())
		}
	}
	return names
}

func TestBackupOfADeploymentElsewhere(t *testing.T) {
	c := newCloud(t)
	f := c.open()
	ready(t, f, "cloud")
	stages := map[string]bool{}
	out, err := f.Run(within(t), Command{Action: plan.ActBackup, Env: "cloud"}, func(ev Event) {
		if ev.Kind == "progress" {
			stages[ev.Backup.Stage] = true
		}
	})
	if err != nil || out.Status != "success" || out.Backup == nil {
		t.Fatalf("%+v %v", out, err)
	}
	b, s := out.Backup, f.Now().Envs[0]
	name := regexp.MustCompile(`^\.strait/backups/cloud-[a-z0-9-]+-\d{4}-\d\d-\d\dT\d{6}Z\.zip$`)
	if !name.MatchString(b.File) || b.Deployment != c.d.Name() || b.Of.IsZero() || b.At.Before(b.Of) || b.Documents < s.Documents {
		t.Errorf("%+v", b)
	}
	if s.Backup == nil || *s.Backup != *b || s.BackupRun != nil || !stages[backupVerifying] {
		t.Errorf("snapshot %+v %+v, stages %v", s.Backup, s.BackupRun, stages)
	}
	file := filepath.Join(c.root, filepath.FromSlash(b.File))
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != b.Bytes {
		t.Fatalf("%v %v", info, err)
	}
	if dir, err := os.Stat(filepath.Dir(file)); err != nil || dir.Mode().Perm() != 0o700 {
		t.Errorf("folder %v %v", dir, err)
	}
	text, err := os.ReadFile(file)
	if sum := sha256.Sum256(text); err != nil || hex.EncodeToString(sum[:]) != b.SHA256 {
		t.Errorf("sum %v", err)
	}
	archive, err := snapshot.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	for _, table := range archive.Tables() {
		if n, err := archive.Count(table); err != nil || table.Component == "" && n != s.Tables[table.Name] {
			t.Errorf("%s: %d documents, %d there, %v", table.Name, n, s.Tables[table.Name], err)
		}
	}
	if left := backups(t, c.root); len(left) != 1 {
		t.Errorf("beside it: %v", left)
	}
	journal, err := os.ReadFile(filepath.Join(c.root, ".strait", "journal.jsonl"))
	if err != nil || !strings.Contains(string(journal), b.SHA256) || strings.Contains(string(journal), "_creationTime") {
		t.Errorf("journal %s %v", journal, err)
	}

	// The next process knows of it, as long as the file is whole.
	if again := ready(t, c.open(), "cloud").Envs[0].Backup; again == nil || again.SHA256 != b.SHA256 {
		t.Errorf("taken up: %+v", again)
	}
	if err := os.Truncate(file, b.Bytes-1); err != nil {
		t.Fatal(err)
	}
	if again := ready(t, c.open(), "cloud").Envs[0].Backup; again != nil {
		t.Errorf("taken up though its file is cut: %+v", again)
	}
}

// An embedded environment can be backed up as well, and nothing is written over.
func TestBackupToAFile(t *testing.T) {
	c := newCloud(t)
	f := c.open()
	ready(t, f, "cloud")
	to := filepath.Join(t.TempDir(), "vault", "b.zip")
	cmd := Command{Action: plan.ActBackup, Env: "cloud", BackupTo: to}
	out, err := f.Run(within(t), cmd, nil)
	if err != nil || out.Backup == nil || out.Backup.File != to {
		t.Fatalf("%+v %v", out, err)
	}
	out, err = f.Run(within(t), cmd, nil)
	if err != nil || out.Status != "failed" || !strings.Contains(out.Failure.Text, "exists already") {
		t.Errorf("over a backup: %+v %v", out, err)
	}
}

// A deployment says itself what it is called: its backup lies in the folder all
// the same, and is no hidden file.
func TestBackupNames(t *testing.T) {
	at := time.Date(2026, 11, 22, 9, 8, 7, 0, time.UTC)
	for deployment, want := range map[string]string{
		"happy-otter-1":            "prod-happy-otter-1-2026-11-22T090807Z.zip",
		"../../x":                  "prod--..-x-2026-11-22T090807Z.zip",
		"":                         "prod-unnamed-2026-11-22T090807Z.zip",
		"..":                       "prod-unnamed-2026-11-22T090807Z.zip",
		"a\x00b\n\x1b[2J/\\c":      "prod-a-b-2J-c-2026-11-22T090807Z.zip",
		strings.Repeat("é/", 9000): "prod---2026-11-22T090807Z.zip",
		strings.Repeat("a", 9000):  "prod-" + strings.Repeat("a", maxName) + "-2026-11-22T090807Z.zip",
	} {
		if got := backupName("prod", deployment, at); got != want || filepath.Base(got) != got {
			t.Errorf("%.40q: %.300q, want %q", deployment, got, want)
		}
	}
	if got := backupName("../"+strings.Repeat("e", 300), "d", at); filepath.Base(got) != got || strings.HasPrefix(got, ".") || len(got) > 200 {
		t.Errorf("environment: %q", got)
	}
}

// What cannot be written is said with its place, and no part of it stays; what
// is there already is kept as it was.
func TestBackupThatCannotBeWritten(t *testing.T) {
	for what, spoil := range map[string]func(*testing.T, string){
		"the folder is a file": func(t *testing.T, dir string) {
			if err := os.WriteFile(dir, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"the folder leads nowhere": func(t *testing.T, dir string) {
			if err := os.Symlink(filepath.Join(dir, "..", "gone", "away"), dir); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(what, func(t *testing.T) {
			c := newCloud(t)
			dir := filepath.Join(c.root, ".strait", "backups")
			if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
				t.Fatal(err)
			}
			spoil(t, dir)
			f := c.open()
			ready(t, f, "cloud")
			out, err := f.Run(within(t), Command{Action: plan.ActBackup, Env: "cloud"}, nil)
			if err != nil || out.Status != "failed" || out.Backup != nil || out.Failure == nil || !strings.Contains(out.Failure.Text, "backups") {
				t.Fatalf("%+v %v", out, err)
			}
			if s := f.Now().Envs[0]; s.Backup != nil || s.BackupRun != nil {
				t.Errorf("%+v %+v", s.Backup, s.BackupRun)
			}
		})
	}
}

// An export without a table that holds documents is none of the deployment; an
// empty one, or one that is gone since, may be missing.
func TestBackupThatLacksATable(t *testing.T) {
	held := map[string]int64{"orders": 3, "billing:bills": 1}
	for title, c := range map[string]struct {
		before, after map[string]int64
		lacks         string
	}{
		"whole":         {held, held, ""},
		"new meanwhile": {held, map[string]int64{"orders": 3, "billing:bills": 1, "users": 2}, ""},
		"empty":         {map[string]int64{"users": 0}, map[string]int64{"users": 0}, ""},
		"emptied":       {map[string]int64{"users": 5}, map[string]int64{"users": 0}, ""},
		"of the root":   {map[string]int64{"users": 5, "orders": 3}, map[string]int64{"users": 6}, "users, which hold documents"},
		"of another":    {map[string]int64{"mail:sent": 5, "teams": 1}, map[string]int64{"mail:sent": 5, "teams": 1}, "mail:sent, teams, which"},
	} {
		err := (&action{}).missing(held, c.before, c.after)
		if (err != nil) != (c.lacks != "") || err != nil && !strings.Contains(err.Error(), c.lacks) {
			t.Errorf("%s: %v, want %q", title, err, c.lacks)
		}
	}
}

// meddler is the network between a Fleet and a deployment.
type meddler func(*http.Request) (*http.Response, error)

func (m meddler) RoundTrip(r *http.Request) (*http.Response, error) { return m(r) }

func (c *cloud) openThrough(m meddler) *Fleet {
	p, err := project.Load(c.t.Context(), project.Options{Dir: c.root})
	if err != nil {
		c.t.Fatal(err)
	}
	f := Open(c.t.Context(), Options{Project: p, http: &http.Client{Transport: m}})
	c.t.Cleanup(func() { f.Close() })
	return f
}

// changed answers a download with a changed body.
func changed(to *int, change func(n int, body []byte) []byte) meddler {
	return func(r *http.Request) (*http.Response, error) {
		res, err := http.DefaultTransport.RoundTrip(r)
		if err != nil || !strings.HasPrefix(r.URL.Path, "/api/export/zip/") {
			return res, err
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		*to++
		res.Body = io.NopCloser(bytes.NewReader(change(*to, body)))
		res.ContentLength = -1
		res.Header.Del("Content-Length")
		return res, err
	}
}

func TestBackupOfACutConnection(t *testing.T) {
	c := newCloud(t)
	tries := 0
	f := c.openThrough(changed(&tries, func(n int, body []byte) []byte {
		if n == 1 {
			return body[:len(body)/2]
		}
		return body
	}))
	ready(t, f, "cloud")
	out, err := f.Run(within(t), Command{Action: plan.ActBackup, Env: "cloud"}, nil)
	if err != nil || out.Backup == nil || tries != 2 {
		t.Fatalf("%+v %v after %d tries", out, err, tries)
	}
	if text, err := os.ReadFile(filepath.Join(c.root, out.Backup.File)); err != nil || int64(len(text)) != out.Backup.Bytes {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}

// What cannot be verified is no backup, and nothing of it stays.
func TestBackupThatIsDamaged(t *testing.T) {
	for what, change := range map[string]func(int, []byte) []byte{
		"cut":     func(_ int, body []byte) []byte { return body[:len(body)/2] },
		"no zip":  func(_ int, body []byte) []byte { return bytes.Repeat([]byte("x"), len(body)) },
		"flipped": func(_ int, body []byte) []byte { body[len(body)/2] ^= 0xff; return body },
	} {
		t.Run(what, func(t *testing.T) {
			c := newCloud(t)
			tries := 0
			f := c.openThrough(changed(&tries, change))
			ready(t, f, "cloud")
			out, err := f.Run(within(t), Command{Action: plan.ActBackup, Env: "cloud"}, nil)
			if err != nil || out.Status != "failed" || out.Backup != nil || out.Failure == nil {
				t.Fatalf("%+v %v", out, err)
			}
			if s := f.Now().Envs[0]; s.Backup != nil || s.BackupRun != nil {
				t.Errorf("%+v %+v", s.Backup, s.BackupRun)
			}
			if left := backups(t, c.root); len(left) != 0 {
				t.Errorf("left: %v, after %s", left, out.Failure.Text)
			}
		})
	}
}

// An export that is under way already is the one that is taken.
func TestBackupJoinsAnExport(t *testing.T) {
	c := newCloud(t)
	f := c.openThrough(func(r *http.Request) (*http.Response, error) {
		res, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && r.URL.Path == "/api/export/request/zip" {
			res.Body.Close()
			res.StatusCode = http.StatusBadRequest
			res.Header.Set("Content-Type", "application/json")
			res.Body = io.NopCloser(strings.NewReader(`{"code":"ExportInProgress","message":"There is already an export requested or in progress."}`))
		}
		return res, err
	})
	ready(t, f, "cloud")
	out, err := f.Run(within(t), Command{Action: plan.ActBackup, Env: "cloud"}, nil)
	if err != nil || out.Backup == nil {
		t.Fatalf("%+v %v", out, err)
	}
}

// endless is a body that begins and never ends.
type endless struct{ over <-chan struct{} }

func (b endless) Read(p []byte) (int, error) { <-b.over; return 0, io.ErrUnexpectedEOF }
func (b endless) Close() error               { return nil }

func TestBackupIsStopped(t *testing.T) {
	c := newCloud(t)
	f := c.openThrough(func(r *http.Request) (*http.Response, error) {
		res, err := http.DefaultTransport.RoundTrip(r)
		if err == nil && strings.HasPrefix(r.URL.Path, "/api/export/zip/") {
			res.Body.Close()
			res.Body = endless{r.Context().Done()}
		}
		return res, err
	})
	ready(t, f, "cloud")
	cmd := Command{Action: plan.ActBackup, Env: "cloud"}
	if err := f.Do(t.Context(), cmd); err != nil {
		t.Fatal(err)
	}
	if code := refusedCode(t, f.Do(t.Context(), cmd)); code != "running" {
		t.Errorf("a second one: %s", code)
	}
	e := f.envs[0]
	if err := f.wait(within(t), func() bool { return e.backing != nil && e.backing.Stage == backupDownloading }); err != nil {
		t.Fatal(err)
	}
	if err := f.Do(t.Context(), Command{Action: plan.ActCancel, Env: "cloud"}); err != nil {
		t.Fatal(err)
	}
	if err := f.wait(within(t), func() bool { return e.backing == nil }); err != nil {
		t.Fatal(err)
	}
	if left := backups(t, c.root); len(left) != 0 || f.Now().Envs[0].Backup != nil {
		t.Errorf("left: %v", left)
	}
}

// A backup that is stopped, or left, before its export is complete cancels the
// export, if it asked for it: nobody else would.
func TestAStoppedBackupCancelsItsExport(t *testing.T) {
	c := newCloud(t)
	leave := map[string]func(*testing.T, *Fleet){
		"stopped": func(t *testing.T, f *Fleet) {
			if err := f.Do(t.Context(), Command{Action: plan.ActCancel, Env: "cloud"}); err != nil {
				t.Fatal(err)
			}
			if err := f.wait(within(t), func() bool { return f.envs[0].backing == nil }); err != nil {
				t.Fatal(err)
			}
		},
		"left": func(t *testing.T, f *Fleet) { f.Close() },
	}
	for how, leave := range leave {
		for _, others := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, another's %t", how, others), func(t *testing.T) {
				var (
					mu       sync.Mutex
					asked    = others
					canceled []string
				)
				f := c.openThrough(func(r *http.Request) (*http.Response, error) {
					answer := func(body string) (*http.Response, error) {
						return &http.Response{StatusCode: 200, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
					}
					var body []byte
					if r.Body != nil && r.URL.Path == "/api/query" {
						body, _ = io.ReadAll(r.Body)
						r.Body = io.NopCloser(bytes.NewReader(body))
					}
					mu.Lock()
					defer mu.Unlock()
					switch id, cancel := strings.CutPrefix(r.URL.Path, "/api/export/cancel/"); {
					case r.URL.Path == "/api/export/request/zip":
						asked = true
						return answer("")
					case cancel:
						canceled = append(canceled, id)
						return answer("")
					case asked && bytes.Contains(body, []byte("exports:getLatest")):
						return answer(`{"status":"success","value":{"_id":"slow","state":"in_progress"},"logLines":[]}`)
					}
					return http.DefaultTransport.RoundTrip(r)
				})
				ready(t, f, "cloud")
				if err := f.Do(t.Context(), Command{Action: plan.ActBackup, Env: "cloud"}); err != nil {
					t.Fatal(err)
				}
				begun := func() bool {
					mu.Lock()
					defer mu.Unlock()
					return f.envs[0].exporting && asked
				}
				if others {
					begun = func() bool {
						return slices.ContainsFunc(f.messages, func(m Message) bool { return strings.Contains(m.Text, "under way there already") })
					}
				}
				if err := f.wait(within(t), begun); err != nil {
					t.Fatal(err)
				}
				leave(t, f)
				mu.Lock()
				defer mu.Unlock()
				want := []string{"slow"}
				if others {
					want = nil
				}
				if !slices.Equal(canceled, want) {
					t.Errorf("canceled %v, want %v", canceled, want)
				}
				if left := backups(t, c.root); len(left) != 0 {
					t.Errorf("left: %v", left)
				}
			})
		}
	}
}
