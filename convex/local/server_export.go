package local

import (
	"bufio"
	"cmp"
	"context"
	crand "crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	archive "strait/convex/snapshot"
	"strait/model/value"
)

// Snapshot export (convex-wire.md 11.1): a request takes a view of all data,
// and a goroutine of its own writes it into a ZIP while writers go on. The
// embedded deployment keeps no files, so _storage is empty in every export.

const (
	exportsTable      = "_exports"
	exportsNumber     = 530
	maxExports        = 5 // kept; the oldest goes first
	exportRetention   = 14 * 24 * time.Hour
	maxRetention      = 60 * 24 * time.Hour
	exportBuffer      = 256 << 10
	progressInterval  = 250 * time.Millisecond
	exportCacheHeader = "private, max-age=2592000"
)

// States of an export.
const (
	exportRequested  = "requested"
	exportInProgress = "in_progress"
	exportCompleted  = "completed"
	exportFailed     = "failed"
	exportCanceled   = "canceled"
)

// exports are those that a deployment was asked for, the newest last.
type exports struct {
	mu   sync.Mutex
	rows []*export
}

// export is one row of _exports; exports.mu guards it.
type export struct {
	id                    string
	created               float64
	state, progress       string
	started, ended, lasts uint64 // nanoseconds; 0 not yet
	storage               bool   // asked for files
	component             *string
	file                  *scratch // of a completed one
	size                  int64
	cancel                context.CancelFunc
}

func (e *export) running() bool { return e.state == exportRequested || e.state == exportInProgress }

// row is the export as getLatest tells it.
func (e *export) row() value.Object {
	format := value.NewObject(value.Field{Name: "format", Value: "zip"}, value.Field{Name: "include_storage", Value: e.storage})
	fields := []value.Field{
		{Name: "_id", Value: e.id}, {Name: "_creationTime", Value: e.created}, {Name: "state", Value: e.state},
		{Name: "format", Value: format}, {Name: "requestor", Value: "snapshotExport"}, {Name: "component", Value: nil},
		{Name: "expiration_ts", Value: int64(e.lasts)},
	}
	add := func(name string, v value.Value) { fields = append(fields, value.Field{Name: name, Value: v}) }
	if e.component != nil {
		add("component", componentID(*e.component))
	}
	if e.started != 0 {
		add("start_ts", int64(e.started))
	}
	if e.progress != "" {
		add("progress_message", e.progress)
	}
	switch e.state {
	case exportCompleted:
		add("complete_ts", int64(e.ended))
		add("zip_object_key", e.id)
		add("size", e.size)
	case exportFailed:
		add("failed_ts", int64(e.ended))
	case exportCanceled:
		add("canceled_ts", int64(e.ended))
	}
	return value.NewObject(fields...)
}

// encoded marshals as convex_encoded_json.
type encoded struct{ value.Value }

func (e encoded) MarshalJSON() ([]byte, error) { return value.Append(nil, e.Value), nil }

// latestExport is the newest export, or null.
func latestExport(c *systemCall) (any, error) {
	c.reads.Add(ReadTable("", exportsTable))
	x := &c.d.serving().exports
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.rows) == 0 {
		return nil, nil
	}
	return encoded{x.rows[len(x.rows)-1].row()}, nil
}

// systemID makes an id of a table of the server's own. It is no use of the
// deployment's seed, whose ids must not depend on what was exported.
func systemID(table uint32, now time.Time) string {
	var random [14]byte
	_, _ = crand.Read(random[:]) // never fails
	return value.NewID(table, random, uint16(now.Unix()/86400)).String()
}

// tell wakes live queries on a table of the server's own.
func (d *Deployment) tell(table string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return
	}
	latest := d.latest.Load()
	d.publish(&snapshot{code: latest.code, spaces: latest.spaces}, &commit{
		source: table, whole: map[tableRef]struct{}{{"", table}: {}},
	}, 0)
}

// permitted is a handler behind requireOp.
func (d *Deployment) permitted(op string, h func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, err := d.requireOp(r, op)
		if err == nil {
			err = h(w, r)
		}
		var told *httpError
		if err != nil && !errors.As(err, &told) { // a full disk: who holds the key may know
			err = &httpError{http.StatusInternalServerError, "InternalServerError", err.Error()}
		}
		if err != nil {
			writeError(w, err)
		}
	}
}

func (d *Deployment) exportRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/export/request/zip", d.permitted("CreateBackups", d.requestExport))
	mux.HandleFunc("GET /api/export/zip/{id}", d.permitted("DownloadBackups", d.downloadExport))
	mux.HandleFunc("POST /api/export/set_expiration/{id}", d.permitted("DeleteBackups", d.expireExport))
	mux.HandleFunc("POST /api/export/cancel/{id}", d.permitted("ImportBackups", d.cancelExport)) // Convex asks for this one
}

func (d *Deployment) requestExport(w http.ResponseWriter, r *http.Request) error {
	q := r.URL.Query()
	e := &export{state: exportRequested}
	if text := q.Get("includeStorage"); text != "" {
		storage, err := strconv.ParseBool(text)
		if err != nil {
			return badRequest("InvalidQuery", "includeStorage is neither true nor false")
		}
		e.storage = storage
	}
	if id := q.Get("component"); id != "" {
		path, ok := d.componentByID(id)
		if !ok {
			return badRequest("ComponentNotFound", "Component ID %s not found", id)
		}
		e.component = &path
	}
	start, err := d.addExport(e)
	if err != nil {
		return err
	}
	start()
	w.WriteHeader(http.StatusOK)
	return nil
}

// addExport makes an export the newest, unless one is on its way; start runs
// it.
func (d *Deployment) addExport(e *export) (start func(), err error) {
	f := d.serving()
	x := &f.exports
	x.mu.Lock()
	if n := len(x.rows); n > 0 && x.rows[n-1].running() {
		x.mu.Unlock()
		return nil, badRequest("ExportInProgress", "There is already an export requested or in progress.")
	}
	if !f.enter() {
		x.mu.Unlock()
		return nil, errShuttingDown
	}
	now := d.now()
	e.id, e.created = systemID(exportsNumber, now), float64(now.UnixMicro())/1000
	e.lasts = uint64(now.Add(exportRetention).UnixNano())
	ctx, cancel := context.WithCancel(f.ctx)
	e.cancel = cancel
	x.rows = append(x.rows, e)
	x.forget(uint64(now.UnixNano()))
	x.mu.Unlock()
	d.tell(exportsTable)
	return func() {
		go func() {
			defer f.conns.Done()
			defer cancel()
			d.runExport(ctx, e)
		}()
	}, nil
}

var errShuttingDown = &httpError{http.StatusServiceUnavailable, "ShuttingDown", "The deployment is being closed"}

// forget drops exports that expired and the oldest beyond maxExports; x.mu is
// held.
func (x *exports) forget(now uint64) {
	keep := x.rows[:0]
	for i, e := range x.rows {
		if newest := i == len(x.rows)-1; newest || e.lasts > now && i >= len(x.rows)-maxExports {
			keep = append(keep, e)
		} else {
			e.file.close()
		}
	}
	clear(x.rows[len(keep):])
	x.rows = keep
}

// close drops all files.
func (x *exports) close() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, e := range x.rows {
		e.file.close()
	}
	x.rows = nil
}

// update changes an export that still runs and tells who watches; it reports
// whether it does.
func (d *Deployment) updateExport(e *export, change func()) bool {
	x := &d.serving().exports
	x.mu.Lock()
	runs := e.running()
	if runs {
		change()
	}
	x.mu.Unlock()
	if runs {
		d.tell(exportsTable)
	}
	return runs
}

func (d *Deployment) runExport(ctx context.Context, e *export) {
	view := d.View()
	if !d.updateExport(e, func() {
		e.state, e.started, e.progress = exportInProgress, view.Timestamp(), "Beginning backup"
	}) {
		return
	}
	file, err := newScratch()
	var size int64
	if err == nil {
		size, err = d.writeExport(ctx, e, view, file)
	}
	done := d.updateExport(e, func() {
		e.ended = uint64(d.now().UnixNano())
		if err != nil {
			e.state, e.progress = exportFailed, "Failed: "+err.Error()
			return
		}
		e.state, e.progress, e.file, e.size = exportCompleted, "", file, size
		if e.storage {
			e.progress = "Without stored files: the embedded deployment keeps none"
		}
	})
	if err != nil || !done {
		file.close()
	}
}

// exportWriter writes one export.
type exportWriter struct {
	ctx   context.Context
	out   *archive.Writer
	say   func(text string)
	spoke time.Time
}

// writeExport writes the view into a file and answers its size.
func (d *Deployment) writeExport(ctx context.Context, e *export, view *View, file io.Writer) (int64, error) {
	counted := &countingWriter{w: file}
	buffered := bufio.NewWriterSize(counted, exportBuffer)
	out, err := archive.NewWriter(buffered)
	if err != nil {
		return 0, err
	}
	w := &exportWriter{ctx: ctx, out: out, say: func(text string) { d.updateExport(e, func() { e.progress = text }) }}
	var spaces []*space
	for _, path := range slices.Sorted(slices.Values(view.Components())) {
		if e.component == nil || *e.component == path {
			spaces = append(spaces, view.snapshot.space(path))
		}
	}
	err = errors.Join(w.spaces(spaces), ctx.Err())
	for _, s := range spaces {
		if err == nil && e.storage {
			err = out.NoFiles(s.path)
		}
	}
	if err == nil {
		err = out.Close()
	}
	if err == nil {
		err = buffered.Flush()
	}
	return counted.n, err
}

// spaces writes the names of all tables, then the tables, small ones first.
func (w *exportWriter) spaces(spaces []*space) error {
	type one struct {
		component string
		*table
	}
	var all []one
	for _, s := range spaces {
		var names []archive.Table
		for _, t := range s.userTables() {
			names = append(names, archive.Table{Component: s.path, Name: t.name, Number: t.number})
			all = append(all, one{s.path, t})
		}
		if err := w.out.Tables(s.path, names); err != nil {
			return err
		}
	}
	slices.SortStableFunc(all, func(a, b one) int { return cmp.Compare(a.bytes, b.bytes) })
	for _, t := range all {
		if err := w.table(t.component, t.table); err != nil {
			return err
		}
	}
	return nil
}

// table writes the documents of one table by id, as Convex does.
func (w *exportWriter) table(component string, t *table) error {
	if err := w.out.Begin(component, t.name); err != nil {
		return err
	}
	name := t.name + inComponent(component)
	w.say("Backing up " + name)
	n, total := 0, t.byID.Len()
	var failed error
	t.byID.Scan(func(doc *document) bool {
		fields, err := decodeDocument(doc)
		if err == nil {
			err = w.out.Write(fields)
		}
		if n++; err == nil && n%1024 == 0 {
			if err = w.ctx.Err(); err == nil && time.Since(w.spoke) > progressInterval {
				w.spoke = time.Now()
				w.say(fmt.Sprintf("Backing up %s: %s / %s documents", name, separated(n), separated(total)))
			}
		}
		failed = err
		return err == nil
	})
	return failed
}

// separated writes a number with commas between thousands.
func separated[N int | int64](n N) string {
	text := strconv.FormatInt(int64(n), 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// find finds an export by its id, or by the time of its view; x.mu is held.
func (x *exports) find(id string) (*export, error) {
	ts, err := strconv.ParseUint(id, 10, 64)
	byTime := err == nil
	if _, err := value.ParseID(id); err != nil && !byTime {
		return nil, badRequest("BadSnapshotId", "Snapshot id %q is neither an id nor a timestamp", id)
	}
	for _, e := range x.rows {
		if e.id == id || byTime && e.started == ts {
			return e, nil
		}
	}
	return nil, &httpError{http.StatusNotFound, "ExportNotFound", fmt.Sprintf("No export %s: it expired, or there never was one", id)}
}

func (d *Deployment) downloadExport(w http.ResponseWriter, r *http.Request) error {
	x := &d.serving().exports
	x.mu.Lock()
	e, err := x.find(r.PathValue("id"))
	var file *scratch
	var size int64
	if err == nil {
		if file, size = e.file, e.size; e.state != exportCompleted {
			err = badRequest("ExportNotComplete", "Export %s is %s: only a completed one can be downloaded", e.id, e.state)
		}
	}
	x.mu.Unlock()
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=snapshot_%s_%d.zip", fileName(d.Name()), e.started))
	h.Set("Cache-Control", exportCacheHeader)
	http.ServeContent(w, r, "", time.Time{}, io.NewSectionReader(file, 0, size))
	return nil
}

// fileName makes a name safe for a header and a file system.
func fileName(name string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '-'
	}, name)
}

func (d *Deployment) expireExport(w http.ResponseWriter, r *http.Request) error {
	var body struct {
		ExpirationTSNs json.Number `json:"expirationTsNs"`
	}
	if err := readJSON(r, &body); err != nil {
		return err
	}
	at, err := strconv.ParseUint(body.ExpirationTSNs.String(), 10, 63)
	if err != nil {
		return badRequest("InvalidExpiration", "expirationTsNs is not a number of nanoseconds")
	}
	now := d.now()
	if latest := now.Add(maxRetention); at > uint64(latest.UnixNano()) {
		return badRequest("InvalidExpiration", "Exports can be kept for at most %d days", int(maxRetention.Hours()/24))
	}
	x := &d.serving().exports
	x.mu.Lock()
	e, err := x.find(r.PathValue("id"))
	if err == nil {
		e.lasts = at
	}
	x.mu.Unlock()
	if err != nil {
		return err
	}
	d.tell(exportsTable)
	w.WriteHeader(http.StatusOK)
	return nil
}

func (d *Deployment) cancelExport(w http.ResponseWriter, r *http.Request) error {
	x := &d.serving().exports
	x.mu.Lock()
	e, err := x.find(r.PathValue("id"))
	if err == nil && !e.running() {
		err = badRequest("ExportNotInProgress", "Export %s is %s: only one that runs can be canceled", e.id, e.state)
	}
	x.mu.Unlock()
	if err != nil {
		return err
	}
	d.updateExport(e, func() {
		e.state, e.progress, e.ended = exportCanceled, "", uint64(d.now().UnixNano())
		e.cancel()
	})
	w.WriteHeader(http.StatusOK)
	return nil
}

// scratch is a file for what is too large for memory. Where the system allows
// it, it has no name any more, so that nothing can leave it behind.
type scratch struct {
	*os.File
	once sync.Once
}

func newScratch() (*scratch, error) {
	f, err := os.CreateTemp("", "strait-*.tmp")
	if err != nil {
		return nil, fmt.Errorf("make a file for the data on its way: %w", err)
	}
	os.Remove(f.Name()) // Windows does not: close does
	return &scratch{File: f}, nil
}

// close ends the file; nil has none.
func (s *scratch) close() {
	if s == nil {
		return
	}
	s.once.Do(func() {
		s.Close()
		os.Remove(s.Name())
	})
}
