package wire

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"strait/model/value"
)

// Snapshot export (11.1): ask for one, watch it, and download the ZIP, which
// convex/snapshot reads.

// Export is a deployment's newest snapshot export.
type Export struct {
	ID        string
	State     string    // requested, in_progress, completed, failed, canceled
	Progress  string    // what it does now; "" nothing told
	Timestamp int64     // of the data, in nanoseconds; 0 not begun
	Completed time.Time // zero: not yet
	Expires   time.Time // when the deployment deletes it; zero: not told
	Size      int64     // bytes; 0 not told
}

// Running reports whether the export is still to be completed.
func (e *Export) Running() bool { return e.State == "requested" || e.State == "in_progress" }

// ExportOptions of RequestExport.
type ExportOptions struct {
	Files       bool   // stored files as well
	ComponentID string // only this component; "" all
}

const exportPath = "_system/cli/exports:getLatest"

// RequestExport asks for a snapshot export, POST /api/export/request/zip (op
// CreateBackups). It is sent once; a deployment makes one export at a time,
// and while one runs the error has the code ExportInProgress.
func (c *Client) RequestExport(ctx context.Context, o ExportOptions) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.function)
	defer cancel()
	q := url.Values{"includeStorage": {strconv.FormatBool(o.Files)}}
	if o.ComponentID != "" {
		q.Set("component", o.ComponentID)
	}
	r, err := c.send(ctx, http.MethodPost, "/api/export/request/zip?"+q.Encode(), nil)
	if err == nil && r.html() {
		err = c.notConvex("POST /api/export/request/zip", r)
	}
	return err
}

// CancelExport ends an export that is not complete yet, POST
// /api/export/cancel/ID; id is an Export's. It is sent once.
func (c *Client) CancelExport(ctx context.Context, id string) error {
	ctx, cancel := context.WithTimeout(ctx, c.patience.function)
	defer cancel()
	r, err := c.send(ctx, http.MethodPost, "/api/export/cancel/"+url.PathEscape(id), nil)
	if err == nil && r.html() {
		err = c.notConvex("POST /api/export/cancel", r)
	}
	return err
}

// LatestExport is the newest export; nil when there never was one.
func (c *Client) LatestExport(ctx context.Context) (*Export, error) {
	r, err := c.system(ctx, Call{Path: exportPath})
	if err != nil {
		return nil, err
	}
	return c.readExport(r.Value)
}

// SubscribeExport keeps LatestExport live; the rules of Subscribe hold.
func (c *Client) SubscribeExport(fn func(*Export, error)) (stop func()) {
	return subscribe(c, Call{Path: exportPath}, c.readExport, fn)
}

func (c *Client) readExport(v value.Value) (*Export, error) {
	if v == nil {
		return nil, nil
	}
	o, ok := v.(value.Object)
	if !ok || text(o, "state") == "" {
		return nil, c.odd(exportPath, v)
	}
	return &Export{
		ID: text(o, "_id"), State: text(o, "state"), Progress: CleanText(text(o, "progress_message")), Timestamp: integer(o, "start_ts"),
		Completed: nanoseconds(o, "complete_ts"), Expires: nanoseconds(o, "expiration_ts"), Size: integer(o, "size"),
	}, nil
}

// nanoseconds reads a time since the epoch; 0 is the zero time.
func nanoseconds(o value.Object, name string) time.Time {
	ns := integer(o, name)
	if ns == 0 {
		return time.Time{}
	}
	return time.Unix(0, ns)
}

// errStalled ends a download that brings nothing any more.
var errStalled = errors.New("no more bytes came")

// DownloadExport writes the ZIP of a completed export to w, GET
// /api/export/zip/ID (op DownloadBackups), and answers how many bytes it wrote;
// id is an Export's. It goes piece by piece, so w sees how far it is, and has
// no end but ctx and a connection that brings nothing for a minute. What came
// before an error is part of a ZIP and of no use.
func (c *Client) DownloadExport(ctx context.Context, id string, w io.Writer) (int64, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stalled := time.AfterFunc(c.patience.function, func() { cancel(errStalled) })
	defer stalled.Stop()
	const op = "GET /api/export/zip"
	resp, requestID, err := c.begin(ctx, op, http.MethodGet, "/api/export/zip/"+url.PathEscape(id), nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || contentType(resp) == "text/html" {
		r, err := c.readResponse(resp, op, requestID)
		if err == nil {
			err = c.notConvex(op, r)
		}
		return 0, err
	}
	body := &countedReader{resp.Body, &c.traffic.read}
	var n int64
	piece := make([]byte, 128<<10)
	for {
		stalled.Reset(c.patience.inactivity)
		got, err := body.Read(piece)
		stalled.Stop()
		if got > 0 {
			if _, err := w.Write(piece[:got]); err != nil {
				return n, fmt.Errorf("save export %s of %s: %w", id, c.base, err)
			}
			n += int64(got)
		}
		if err == io.EOF {
			return n, nil
		}
		if err != nil {
			return n, c.cutOff(ctx, op, requestID, n, err)
		}
	}
}

// cutOff explains why a download ended before its end.
func (c *Client) cutOff(ctx context.Context, op, requestID string, n int64, err error) error {
	if context.Cause(ctx) == errStalled {
		err = errStalled
	}
	t := c.lost(op, requestID, err)
	if !errors.Is(err, context.Canceled) {
		t.Reason, t.Hint = fmt.Sprintf("cut off after %d bytes: %s", n, t.Reason), "download it again"
	}
	return t
}
