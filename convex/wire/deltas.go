package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"strait/model/value"
)

// The stream of changes (6.4): every revision of every document in the order
// of its commit, as far back as the deployment keeps them. A plan may lack it,
// and a key may not be allowed to read it.

// Deltas is one page of the stream of changes.
type Deltas struct {
	Changes []Change // in the order of their commits
	Cursor  int64    // continues after the page: nanoseconds of the deployment's clock
	More    bool     // there is another page already
}

// Change is one revision of a document.
type Change struct {
	Component string // path; "" the root
	Table     string
	ID        string
	TS        int64 // of its commit, in nanoseconds
	Deleted   bool
	Document  value.Object // with _id and _creationTime; nil when it was deleted
}

// ErrNoDeltas is wrapped by the errors of LatestTimestamp and Deltas when the
// deployment has no stream of changes for this key: its plan has none
// (StreamingExportNotEnabled), the key lacks ViewData, or the backend is of
// before it.
var ErrNoDeltas = errors.New("the deployment gives no stream of changes")

// ErrDeltasGone is wrapped by the errors of Deltas when the changes after the
// cursor are no longer kept.
var ErrDeltasGone = errors.New("the changes since then are no longer kept")

const (
	deltasPath   = "/api/document_deltas"
	snapshotPath = "/api/list_snapshot"
)

// LatestTimestamp is a timestamp at which Deltas can begin: of no commit later
// than the answer, and of every one before the call. It asks POST
// /api/list_snapshot for nothing, so that no document is read.
func (c *Client) LatestTimestamp(ctx context.Context) (int64, error) {
	r, err := c.ask(ctx, c.patience.function, http.MethodPost, snapshotPath, []byte(`{"selection":{"_other":"excluded"},"format":"convex_encoded_json"}`))
	if err != nil {
		return 0, deltasError(err)
	}
	var body struct {
		Snapshot *int64 `json:"snapshot"`
	}
	if json.Unmarshal(r.body, &body) != nil || body.Snapshot == nil || *body.Snapshot < 0 || r.html() {
		return 0, c.notConvex("POST "+snapshotPath, r)
	}
	return *body.Snapshot, nil
}

// Deltas is one page of what changed after a cursor in tables of a component,
// by its path, POST /api/document_deltas. A page may be empty although there
// is another one: the deployment counts what it has read, not what it gives.
func (c *Client) Deltas(ctx context.Context, cursor int64, component string, tables []string) (Deltas, error) {
	r, err := c.ask(ctx, c.patience.function, http.MethodPost, deltasPath, deltasBody(cursor, component, tables))
	if err != nil {
		return Deltas{}, deltasError(err)
	}
	if r.html() {
		return Deltas{}, c.notConvex("POST "+deltasPath, r)
	}
	page, err := readDeltas(r.body, cursor)
	if err != nil {
		return Deltas{}, fmt.Errorf("POST %s on %s: %s: its backend is newer or older than the ones Strait knows", deltasPath, c.base, c.clean(err.Error()))
	}
	// A backend of before selections gives everything.
	page.Changes = slices.DeleteFunc(page.Changes, func(x Change) bool {
		return x.Component != component || !slices.Contains(tables, x.Table)
	})
	return page, nil
}

// deltasBody asks for the tables in the format that keeps every type.
func deltasBody(cursor int64, component string, tables []string) []byte {
	type selection map[string]any
	of := selection{"_other": "excluded"}
	for _, t := range tables {
		of[t] = selection{"_other": "included"}
	}
	body, _ := json.Marshal(map[string]any{ // strings and an integer always marshal
		"cursor": cursor, "format": "convex_encoded_json",
		"selection": selection{"_other": "excluded", component: of},
	})
	return body
}

// deltasError says of a refusal what it means for the stream.
func deltasError(err error) error {
	var h *HTTPError
	if !errors.As(err, &h) {
		return err
	}
	switch {
	case h.Code == "InvalidWindowToReadDocuments" || h.Code == "SnapshotTooOld":
		return fmt.Errorf("%w: %w", ErrDeltasGone, err)
	case h.Status == http.StatusForbidden, h.Status == http.StatusNotFound, h.Status == http.StatusMethodNotAllowed,
		h.Status == http.StatusNotImplemented, h.Code == "NotSupported":
		return fmt.Errorf("%w: %w", ErrNoDeltas, err)
	}
	return err
}

// readDeltas reads a page. One change that cannot be read spoils it: whoever
// passed over it would claim to have seen it.
func readDeltas(text []byte, cursor int64) (Deltas, error) {
	var body struct {
		Values []json.RawMessage `json:"values"`
		Cursor *int64            `json:"cursor"`
		More   *bool             `json:"hasMore"`
	}
	if err := json.Unmarshal(text, &body); err != nil || body.Cursor == nil || body.More == nil || body.Values == nil {
		return Deltas{}, errors.New("unexpected answer")
	}
	page := Deltas{Cursor: *body.Cursor, More: *body.More, Changes: make([]Change, 0, len(body.Values))}
	if page.Cursor < cursor && len(body.Values) == 0 && !page.More {
		page.Cursor = cursor // the cursor was ahead of the newest commit
	}
	if page.Cursor < cursor || page.More && page.Cursor == cursor {
		return Deltas{}, fmt.Errorf("the changes do not go on: cursor %d after %d", page.Cursor, cursor)
	}
	for i, raw := range body.Values {
		x, err := readChange(raw)
		if err != nil {
			return Deltas{}, fmt.Errorf("change %d: %w", i+1, err)
		}
		page.Changes = append(page.Changes, x)
	}
	return page, nil
}

func readChange(raw []byte) (Change, error) {
	// What else begins with an underscore is the stream's own, or will be (6.4).
	var head struct {
		ID        string `json:"_id"`
		Component string `json:"_component"`
		Table     string `json:"_table"`
		TS        *int64 `json:"_ts"` // does not fit a float
		Deleted   bool   `json:"_deleted"`
	}
	if err := json.Unmarshal(raw, &head); err != nil || head.Table == "" || head.TS == nil {
		return Change{}, errors.New("unexpected form")
	}
	if _, err := value.ParseID(head.ID); err != nil {
		return Change{}, fmt.Errorf("its id: %w", err)
	}
	x := Change{Component: head.Component, Table: head.Table, ID: head.ID, TS: *head.TS, Deleted: head.Deleted}
	if x.Deleted {
		return x, nil
	}
	v, err := value.Decode(raw)
	if err != nil {
		return Change{}, err
	}
	all, _ := v.(value.Object)
	x.Document = make(value.Object, 0, len(all))
	for _, f := range all {
		if !strings.HasPrefix(f.Name, "_") || f.Name == "_id" || f.Name == "_creationTime" {
			x.Document = append(x.Document, f)
		}
	}
	return x, nil
}
