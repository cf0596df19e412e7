package local

import (
	"context"
	"net/http"
	"time"

	"strait/model/value"
)

// The routes that cancel scheduled functions (convex-wire.md 2.6).

func (d *Deployment) cancelJobRoute(w http.ResponseWriter, r *http.Request) {
	var body struct {
		ID          string  `json:"id"`
		ComponentID *string `json:"componentId"`
	}
	component, err := d.forWriter(r, &body, func() *string { return body.ComponentID })
	if err == nil {
		if id, bad := value.ParseID(body.ID); bad != nil || id.Table != scheduledNumber {
			err = badRequest("InvalidId", "Invalid ID for table _scheduled_functions")
		}
	}
	if err == nil {
		err = d.CancelJob(component, body.ID)
	}
	if err != nil {
		writeError(w, err)
	}
}

// cancelAllBody says which unfinished functions to cancel: those that a
// component has scheduled, or of them those that run one function.
type cancelAllBody struct {
	ComponentID   *string `json:"componentId"`
	ComponentPath string  `json:"componentPath"` // of the function, with UDFPath
	UDFPath       *string `json:"udfPath"`
	StartNextTS   *uint64 `json:"startNextTs"` // nanoseconds
	EndNextTS     *uint64 `json:"endNextTs"`   // exclusive
}

func (d *Deployment) cancelAllJobs(w http.ResponseWriter, r *http.Request) {
	var body cancelAllBody
	component, err := d.forWriter(r, &body, func() *string { return body.ComponentID })
	path := ""
	if err == nil && body.UDFPath != nil {
		if path, err = functionPath(*body.UDFPath); err != nil {
			err = badRequest("InvaildUdfPath", "CancelAllJobs requires an optional canonicalized UdfPath") // Convex's spelling
		}
	}
	for more := err == nil; more && err == nil; {
		more, err = d.cancelSome(r.Context(), component, func(j ScheduledJob) bool {
			due := uint64(max(0, j.At.UnixNano()))
			return (path == "" || j.Path == path && j.Component == body.ComponentPath) &&
				(body.StartNextTS == nil || due >= *body.StartNextTS) && (body.EndNextTS == nil || due < *body.EndNextTS)
		})
	}
	if err != nil {
		writeError(w, err)
	}
}

// maxCanceled is how many functions one transaction cancels.
const maxCanceled = 1000

// cancelSome cancels unfinished functions that match, and tells whether there
// may be more.
func (d *Deployment) cancelSome(ctx context.Context, component string, match func(ScheduledJob) bool) (more bool, err error) {
	_, err = d.hostAt(ctx, component, "cancel_all_jobs", func(tx *transaction) error {
		s, n := tx.space(component), 0
		more = false
		for _, h := range s.dueJobs(time.Time{}, 1<<30) {
			j := readJob(s.table(scheduledTable), h.doc)
			if !match(j) {
				continue
			}
			if n++; n > maxCanceled {
				more = true
				return nil
			}
			if err := tx.cancel(component, j.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return more, err
}

// forWriter reads the body of a route that writes data and finds the component
// that it names by its id.
func (d *Deployment) forWriter(r *http.Request, body any, id func() *string) (component string, err error) {
	if _, err := d.requireOp(r, "WriteData"); err != nil {
		return "", err
	}
	if err := readJSON(r, body); err != nil {
		return "", err
	}
	return d.componentOf(id())
}
