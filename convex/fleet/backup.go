package fleet

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"strait/convex/project"
	"strait/convex/snapshot"
	"strait/convex/wire"
	"strait/model/source"
	"strait/plan"
)

// A backup is an export of the deployment (convex-wire.md 11.1) that was
// downloaded and read through to its last line. Under its own name lies only
// what was verified; what a cut, a full disk or a cancel left is removed. It
// holds all the data, so nobody but its owner may read it.

// Stages of a BackupRun.
const (
	backupRequested   = "requested"
	backupExporting   = "exporting"
	backupDownloading = "downloading"
	backupVerifying   = "verifying"
)

const (
	downloadTries  = 3
	countersAtOnce = 4
	backupStep     = 1 << 20 // bytes between two signs of progress
)

// backUp takes a backup.
func (a *action) backUp(answer *entry) (err error) {
	defer a.f.change(func() { a.e.backing, a.e.stopBackup = nil, nil })
	made, err := a.takeBackup()
	switch {
	case err != nil && a.ctx.Err() != nil:
		if a.f.ctx.Err() == nil {
			a.f.change(func() { a.f.say("info", a.c.Env, "the backup was stopped; nothing of it is kept here") })
		}
		return nil
	case err != nil:
		return fmt.Errorf("backup: %w", err)
	}
	answer.Backup, answer.Processed = made, made.Documents
	a.f.change(func() {
		a.saved = made
		if a.e.client == a.client {
			a.e.backup = made
		}
		a.f.planned.stale = true
		a.f.say("info", a.c.Env, fmt.Sprintf("backup: %s documents verified, in %s", thousands(made.Documents), made.File))
	})
	return nil
}

func (a *action) takeBackup() (*plan.Backup, error) {
	file, err := a.backupFile()
	if err != nil {
		return nil, err
	}
	before := a.tableCounts()
	export, err := a.exported()
	if err != nil {
		return nil, err
	}
	after := a.tableCounts()
	part, sum, size, err := a.download(file, export)
	if err != nil {
		return nil, err
	}
	defer os.Remove(part) // gone when it was renamed
	counts, err := a.verify(part)
	if err != nil {
		return nil, fmt.Errorf("what was downloaded cannot be used: %w; take the backup again", err)
	}
	if err := a.missing(counts, before, after); err != nil {
		return nil, err
	}
	if err := place(part, file); err != nil {
		return nil, err
	}
	made := &plan.Backup{
		Env: a.c.Env, Deployment: a.place, File: a.shownFile(file), At: a.f.now().Round(0), Bytes: size, SHA256: hex.EncodeToString(sum),
	}
	if export.Timestamp != 0 {
		made.Of = time.Unix(0, export.Timestamp)
	}
	for _, n := range counts {
		made.Documents += n
	}
	a.tellDifferences(counts, before, after)
	return made, nil
}

var unfit = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// maxName bounds what a backup's name takes from a name: a deployment says
// itself what it is called, and a file's name may have 255 bytes.
const maxName = 64

// backupName is a file's name of its own, whatever the two are called.
func backupName(env, deployment string, at time.Time) string {
	fit := func(name string) string {
		name = strings.TrimLeft(unfit.ReplaceAllString(name, "-"), ".")
		return name[:min(len(name), maxName)]
	}
	return cmp.Or(fit(env), "env") + "-" + cmp.Or(fit(deployment), "unnamed") + "-" + at.UTC().Format("2006-01-02T150405Z") + ".zip"
}

// backupFile is where the backup goes. Folders that are made, and the file, are
// for their owner alone; below .strait they are kept out of git.
func (a *action) backupFile() (string, error) {
	file := a.c.BackupTo
	if file == "" {
		dir := filepath.Join(a.f.Project().Root, ".strait", "backups")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
		ignore := filepath.Join(dir, ".gitignore")
		if _, err := os.Stat(ignore); err != nil {
			if err := os.WriteFile(ignore, []byte("*\n"), 0o600); err != nil {
				return "", err
			}
		}
		file = filepath.Join(dir, backupName(a.c.Env, a.place, a.f.now()))
	} else if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return "", err
	}
	if _, err := os.Lstat(file); err == nil {
		return "", fmt.Errorf("%s exists already, and nothing is written over a backup: name another file", file)
	}
	return file, nil
}

// shownFile is a file as people and the journal name it: relative to the
// project's root where it lies below it.
func (a *action) shownFile(file string) string {
	if rel, err := filepath.Rel(a.f.Project().Root, file); err == nil && filepath.IsLocal(rel) {
		return filepath.ToSlash(rel)
	}
	return file
}

// stage shows what the backup does now.
func (a *action) stage(set func(*BackupRun)) {
	a.e.change(func() {
		if a.e.backing == nil {
			return
		}
		run := *a.e.backing
		set(&run)
		a.e.backing = &run
		a.e.heard = a.f.now()
	})
}

// tableCounts are how many documents the deployment says that its tables hold,
// "billing:bills" those of components; what cannot be read is missing.
func (a *action) tableCounts() map[string]int64 {
	a.f.mu.Lock()
	var names []string
	for name := range a.e.tables {
		names = append(names, name)
	}
	for name := range a.e.inner.sizes {
		names = append(names, name)
	}
	a.f.mu.Unlock()
	var (
		mu  sync.Mutex
		out = map[string]int64{}
		g   errgroup.Group
	)
	g.SetLimit(countersAtOnce)
	for _, name := range names {
		g.Go(func() error {
			component, table, inside := strings.Cut(name, ":")
			if !inside {
				component, table = "", name
			}
			ctx, cancel := context.WithTimeout(a.ctx, grace)
			defer cancel()
			if n, err := a.client.TableSize(ctx, component, table); err == nil {
				mu.Lock()
				out[name] = n
				mu.Unlock()
			}
			return nil
		})
	}
	_ = g.Wait() // what is not told is not compared
	return out
}

// exported is a complete export: one that was asked for now, or the one that
// was under way, of which a deployment makes one at a time.
func (a *action) exported() (*wire.Export, error) {
	old, err := a.client.LatestExport(a.ctx)
	if err != nil {
		return nil, fmt.Errorf("read the newest export: %w", err)
	}
	defer a.f.change(func() { a.e.exporting = false })
	mine := false
	if old == nil || !old.Running() {
		a.f.change(func() { a.e.exporting = true })
		err = a.client.RequestExport(a.ctx, wire.ExportOptions{})
		var told *wire.HTTPError
		switch {
		case err == nil || mayHaveRun(err): // whether it was asked for shows in what follows
			mine = err == nil || a.ctx.Err() != nil
		case errors.As(err, &told) && told.Code == "ExportInProgress":
			old = nil // somebody was quicker: theirs is the newest
		default:
			return nil, fmt.Errorf("ask for an export: %w", err)
		}
	} else {
		old = nil
		a.f.change(func() { a.f.say("info", a.c.Env, "an export is under way there already: the backup takes that one") })
	}
	done, failed := a.followExport(old)
	if failed != nil && mine && a.ctx.Err() != nil {
		a.withdrawExport(old)
	}
	if failed != nil && err != nil && a.ctx.Err() == nil {
		return nil, fmt.Errorf("ask for an export: %w", err)
	}
	return done, failed
}

// withdrawTime bounds the calls that cancel an export; quitting waits for them.
const withdrawTime = 5 * time.Second

// withdrawExport cancels the export that this backup asked for, which is the one
// that runs, if it is not the old one. The action's own context is over.
func (a *action) withdrawExport(old *wire.Export) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(a.ctx), withdrawTime)
	defer cancel()
	x, err := a.client.LatestExport(ctx)
	if err == nil && (x == nil || !x.Running() || old != nil && x.ID == old.ID) {
		return // it has ended, or never shows
	}
	if err == nil {
		err = a.client.CancelExport(ctx, x.ID)
	}
	a.f.change(func() {
		if err != nil {
			a.f.say("warn", a.c.Env, "the export that the backup asked for goes on in the deployment; it could not be canceled: "+firstLine(err.Error()))
			return
		}
		a.f.say("info", a.c.Env, "the export that the backup asked for was canceled in the deployment")
	})
}

// exportBegins is how long an export that was asked for may take to show.
const exportBegins = 30 * time.Second

// followExport waits until an export that is not old is complete.
func (a *action) followExport(old *wire.Export) (*wire.Export, error) {
	var newest *wire.Export // guarded by the fleet's mutex
	stop := a.client.SubscribeExport(func(x *wire.Export, err error) {
		if err != nil || x == nil || old != nil && x.ID == old.ID {
			return // the connection mends itself, or the fleet says that it is lost
		}
		a.f.change(func() { newest = x })
		a.stage(func(r *BackupRun) {
			if r.Detail = x.Progress; x.State == "in_progress" {
				r.Stage = backupExporting
			}
		})
	})
	defer stop()
	begun, cancel := context.WithTimeout(a.ctx, a.f.patience(exportBegins))
	defer cancel()
	if err := a.f.wait(begun, func() bool { return newest != nil || a.lost() }); err != nil && a.ctx.Err() == nil {
		return nil, fmt.Errorf("the deployment was asked for an export, and shows none after %s", exportBegins)
	}
	err := a.f.wait(a.ctx, func() bool { return newest != nil && !newest.Running() || a.lost() })
	a.f.mu.Lock()
	defer a.f.mu.Unlock()
	switch {
	case err != nil:
		return nil, err
	case newest == nil || newest.Running():
		return nil, errors.New("the environment was lost meanwhile; the export may go on there")
	case newest.State != "completed":
		return nil, fmt.Errorf("the export ended as %s: %s", newest.State, cmp.Or(newest.Progress, "the deployment does not say why"))
	}
	return newest, nil
}

// lost reports whether the connection that the action began with was given up.
// f.mu is held.
func (a *action) lost() bool { return a.e.client != a.client }

// download writes the export beside the file that it is to be, under a name
// that says that it is a part.
func (a *action) download(file string, x *wire.Export) (part string, sum []byte, size int64, err error) {
	a.stage(func(r *BackupRun) { r.Stage, r.Detail, r.Size = backupDownloading, "", x.Size })
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*.part") // 0600
	if err != nil {
		return "", nil, 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, removed(f.Name()))
		}
	}()
	for try := 1; ; try++ {
		w := &savedBytes{w: f, sum: sha256.New(), tell: func(n int64) { a.stage(func(r *BackupRun) { r.Bytes = n }) }}
		size, err = a.client.DownloadExport(a.ctx, x.ID, w)
		if err == nil && x.Size > 0 && size != x.Size {
			err = &cutError{size, x.Size}
		}
		if err == nil || try == downloadTries || a.ctx.Err() != nil || !again(err) {
			sum = w.sum.Sum(nil)
			break
		}
		if err = restarted(f); err != nil {
			break
		}
	}
	if err == nil {
		err = f.Sync()
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = fmt.Errorf("%w; make room, or name another place", err)
	}
	return f.Name(), sum, size, err
}

// cutError is a download that ended well and before its end.
type cutError struct{ got, want int64 }

func (e *cutError) Error() string {
	return fmt.Sprintf("%s of the export's %s bytes came", thousands(e.got), thousands(e.want))
}

// again reports whether a download may end better another time.
func again(err error) bool {
	var cut *cutError
	var transport *wire.TransportError
	return errors.As(err, &cut) || errors.As(err, &transport)
}

func restarted(f *os.File) error {
	if err := f.Truncate(0); err != nil {
		return err
	}
	_, err := f.Seek(0, io.SeekStart)
	return err
}

// removed removes a file; that it is gone already is no error.
func removed(name string) error {
	if err := os.Remove(name); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// savedBytes hashes what passes and tells how much did.
type savedBytes struct {
	w       io.Writer
	sum     hash.Hash
	n, told int64
	tell    func(int64)
}

func (c *savedBytes) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.sum.Write(p[:n])
	c.n += int64(n)
	if c.n-c.told >= backupStep || c.told == 0 {
		c.told = c.n
		c.tell(c.n)
	}
	return n, err
}

// verify reads every document of an export, and counts them by table,
// "billing:bills" in components. The end of each table is where the archive's
// checksum is compared.
func (a *action) verify(file string) (map[string]int64, error) {
	a.stage(func(r *BackupRun) { r.Stage = backupVerifying })
	archive, err := snapshot.Open(file)
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	g, ctx := errgroup.WithContext(a.ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	var mu sync.Mutex
	out := map[string]int64{}
	for _, t := range archive.Tables() {
		g.Go(func() error {
			n, told := int64(0), int64(0)
			for _, err := range archive.Documents(t) {
				if err != nil {
					return err
				}
				if n++; n-told == 1000 {
					a.stage(func(r *BackupRun) { r.Read += n - told })
					told = n
					if ctx.Err() != nil {
						return ctx.Err()
					}
				}
			}
			a.stage(func(r *BackupRun) { r.Read += n - told })
			mu.Lock()
			defer mu.Unlock()
			out[tableKey(project.Migration{Owner: t.Component, Table: t.Name})] = n
			return nil
		})
	}
	return out, g.Wait()
}

// missing refuses an export that leaves out a table with documents: one of a
// single component, which somebody else had asked for.
func (a *action) missing(counts, before, after map[string]int64) error {
	var out []string
	for name, n := range before {
		if _, held := counts[name]; !held && n > 0 && after[name] > 0 {
			out = append(out, name)
		}
	}
	if len(out) == 0 {
		return nil
	}
	slices.Sort(out)
	return fmt.Errorf("the export leaves out %s, which hold documents: was it asked for by somebody else, of one component? Take the backup again", strings.Join(out, ", "))
}

// tellDifferences tells which tables have another number of documents in the
// backup than the deployment told just before and just after it. Writers go on,
// so a difference is no fault.
func (a *action) tellDifferences(counts, before, after map[string]int64) {
	var out []string
	for name, n := range counts {
		b, known := before[name]
		c, still := after[name]
		if known && still && (n < min(b, c) || n > max(b, c)) {
			out = append(out, fmt.Sprintf("%s %s, %s there", name, thousands(n), thousands(c)))
		}
	}
	if len(out) == 0 {
		return
	}
	slices.Sort(out)
	if len(out) > 5 {
		out = append(out[:5], fmt.Sprintf("and %d more", len(out)-5))
	}
	a.f.change(func() {
		a.f.say("warn", a.c.Env, "the backup holds other numbers of documents than the deployment told before and after it, as it does while something writes: "+strings.Join(out, "; "))
	})
}

// place gives a verified part its name, and writes nothing over.
func place(part, file string) error {
	if _, err := os.Lstat(file); err == nil {
		return fmt.Errorf("%s was made meanwhile, and nothing is written over a backup: name another file", file)
	}
	return os.Rename(part, file)
}

// recallBackup takes a line of the journal that tells of a backup. f.mu is held.
func (f *Fleet) recallBackup(x entry) {
	b := x.Backup
	if b == nil || b.Deployment == "" || x.Phase != "answered" || x.Outcome != "ok" {
		return
	}
	if old := f.backups[b.Deployment]; old == nil || !b.At.Before(old.At) {
		f.backups[b.Deployment] = b
	}
}

// restoreBackup takes up the newest backup that an earlier process took of the
// deployment that answers now, if its file is still there. An embedded one is
// built anew each time. f.mu is held.
func (e *env) restoreBackup() {
	if e.embedded || e.backup != nil && e.backup.Deployment == e.place {
		return
	}
	e.backup = nil
	b := e.f.backups[e.place]
	if b == nil {
		return
	}
	file := b.File
	if !filepath.IsAbs(file) {
		file = filepath.Join(e.f.project.Root, filepath.FromSlash(file))
	}
	if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() && info.Size() == b.Bytes {
		e.backup = b
	}
}

// backupNews is how far a backup is, when that changed. f.mu is held.
func (w *watcher) backupNews(base Event) []Event {
	run := w.a.e.backing
	if run == nil || run == w.backup {
		return nil
	}
	w.backup = run
	base.Kind, base.Processed, base.Total, base.Backup = "progress", run.Read, -1, *run
	return []Event{base}
}

// readCode reads what the project's migrations do to documents, so that the gate
// knows which of them lose data. Where every environment is embedded nothing is
// lost. What cannot be read asks for no backup; the review says why.
func (f *Fleet) readCode() {
	f.mu.Lock()
	p := f.project
	real := slices.ContainsFunc(f.envs, func(e *env) bool { return !e.embedded })
	f.mu.Unlock()
	var facts *source.Facts
	if real && len(p.Migrations) > 0 {
		if read, err := p.Code(f.ctx); err == nil {
			facts = read
		}
	}
	f.change(func() { f.code, f.codeRead = facts, true })
}
