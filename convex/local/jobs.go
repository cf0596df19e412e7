package local

import (
	"strings"
	"time"

	"strait/model/value"
)

// A scheduled function is a document of the virtual table
// _scheduled_functions of the component that scheduled it
// (convex-wire.md 12.6). Its fields that begin with two underscores are the
// deployment's own and shown to nobody.
const (
	jobComponent = "__component" // where the function runs
	jobNext      = "__next"      // when it is due, ms; absent once finished
	jobPath      = "__path"      // "lib:migrate"

	jobKeeps = 7 * 24 * time.Hour // after it finished
)

// States of a job.
const (
	jobPending    = "pending"
	jobInProgress = "inProgress"
	jobSuccess    = "success"
	jobFailed     = "failed"
	jobCanceled   = "canceled"
)

// virtualText is a system document as functions see it.
func virtualText(d *document) string {
	doc, err := decodeDocument(d)
	if err != nil {
		return d.json
	}
	out := make(value.Object, 0, len(doc))
	for _, f := range doc {
		if !strings.HasPrefix(f.Name, "__") {
			out = append(out, f)
		}
	}
	return string(value.Append(nil, out))
}

// schedule adds a job to the component's table.
func (tx *transaction) schedule(component string, target functionAddress, args value.Object, at time.Time) (string, error) {
	if err := tx.countScheduled(value.Size(args)); err != nil {
		return "", err
	}
	ms := float64(at.UnixMicro()) / 1000
	id := value.ID{Table: scheduledNumber, Internal: tx.d.newID()}
	created := tx.nextTime()
	doc := value.NewObject(
		value.Field{Name: "_id", Value: id.String()},
		value.Field{Name: "_creationTime", Value: created},
		value.Field{Name: "name", Value: filePath(target.path)},
		value.Field{Name: "args", Value: value.Array{args}},
		value.Field{Name: "scheduledTime", Value: ms},
		value.Field{Name: "state", Value: jobState(jobPending, "")},
		value.Field{Name: jobComponent, Value: target.component},
		value.Field{Name: jobPath, Value: target.path},
		value.Field{Name: jobNext, Value: ms},
	)
	tx.apply(component, scheduledTable, nil, nil, encodeDocument(id, created, doc), doc)
	return id.String(), nil
}

func jobState(kind, failure string) value.Object {
	if kind == jobFailed {
		return value.NewObject(value.Field{Name: "kind", Value: kind}, value.Field{Name: "error", Value: failure})
	}
	return value.NewObject(value.Field{Name: "kind", Value: kind})
}

// job reads a job; nil without it. Reading it makes the transaction conflict
// with whoever cancels or finishes it.
func (tx *transaction) job(component string, id value.ID) (*document, value.Object, error) {
	tx.reads.addPoint(tableRef{component, scheduledTable}, id.Internal)
	d := tx.space(component).table(scheduledTable).get(id.Internal)
	if d == nil {
		return nil, nil, nil
	}
	doc, err := decodeDocument(d)
	return d, doc, err
}

// setJob moves a job to a state; the finished ones get their time.
func (tx *transaction) setJob(component string, old *document, oldDoc value.Object, kind, failure string) {
	doc := oldDoc.With("state", jobState(kind, failure))
	if kind != jobPending && kind != jobInProgress {
		doc = doc.With("completedTime", float64(tx.d.now().UnixMicro())/1000).Without(jobNext)
	}
	id := value.ID{Table: scheduledNumber, Internal: old.id}
	tx.apply(component, scheduledTable, old, oldDoc, encodeDocument(id, unsortable(old.created), doc), doc)
}

// stateOf is the kind of a job's state.
func stateOf(doc value.Object) string {
	s, _ := doc.Get("state")
	o, _ := s.(value.Object)
	k, _ := o.Get("kind")
	kind, _ := k.(string)
	return kind
}

// cancel cancels a job that has not finished.
func (tx *transaction) cancel(component, text string) error {
	id, err := value.ParseID(text)
	if err != nil {
		return invalidArgument("id", "db.cancel_job", err)
	}
	if id.Table != scheduledNumber {
		return userErrorf("InvalidArgument", "Invalid scheduled function ID. The ID must be an ID on the '_scheduled_functions' table.")
	}
	d, doc, err := tx.job(component, id)
	if err != nil || d == nil {
		return err
	}
	if k := stateOf(doc); k == jobPending || k == jobInProgress {
		tx.setJob(component, d, doc, jobCanceled, "")
	}
	return nil
}

// CancelJob cancels a scheduled function; finished ones stay as they are.
func (d *Deployment) CancelJob(component, id string) error {
	return d.host(component, "cancel_job", func(tx *transaction) error { return tx.cancel(component, id) })
}

// ScheduledJob is a scheduled function that has not finished.
type ScheduledJob struct {
	ID           string
	CreationTime float64
	Component    string // where the function runs
	Path         string // "lib:migrate"
	Args         string // JSON text of [<enc object>]
	At           time.Time
	State        string // pending, inProgress
}

// Jobs lists the scheduled functions of a component that have not finished,
// by time.
func (v *View) Jobs(component string) []ScheduledJob {
	s := v.snapshot.space(component)
	if s == nil {
		return nil
	}
	var out []ScheduledJob
	for _, h := range s.dueJobs(time.Time{}, 1<<30) {
		out = append(out, readJob(s.table(scheduledTable), h.doc))
	}
	return out
}

// dueJobs finds unfinished jobs by time, those due until the time given; the
// zero time stands for all.
func (s *space) dueJobs(until time.Time, n int) []hit {
	ix := s.table(scheduledTable).index("by_next")
	iv := interval{lo: string(value.AppendKey(nil, nil))} // after those without the field
	if !until.IsZero() {
		iv.hi = afterPrefix(string(value.AppendKey(nil, float64(until.UnixMicro())/1000)))
	}
	return ix.scan(iv, false, n, nil)
}

func readJob(t *table, d *document) ScheduledJob {
	doc, _ := decodeDocument(d)
	text := func(name string) string {
		v, _ := doc.Get(name)
		s, _ := v.(string)
		return s
	}
	args, _ := doc.Get("args")
	next, _ := doc.Get(jobNext)
	ms, _ := next.(float64)
	return ScheduledJob{
		ID: t.idOf(d), CreationTime: unsortable(d.created),
		Component: text(jobComponent), Path: text(jobPath),
		Args: string(value.Append(nil, args)), State: stateOf(doc),
		At: time.UnixMicro(int64(ms * 1000)),
	}
}
