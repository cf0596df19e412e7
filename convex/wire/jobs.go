package wire

import (
	"context"
	"net/http"
	"strings"
)

// CancelJob cancels a scheduled function of a component, by the component's id,
// "" the root: POST /api/cancel_job (convex-wire.md 2.6, 12.6). One that has
// finished stays as it is, so that asking twice does no harm.
func (c *Client) CancelJob(ctx context.Context, componentID, id string) error {
	b := appendJSON([]byte(`{"id":`), id)
	if componentID != "" {
		b = appendJSON(append(b, `,"componentId":`...), componentID)
	}
	_, err := c.ask(ctx, c.patience.function, http.MethodPost, "/api/cancel_job", append(b, '}'))
	return err
}

// CancelJobs cancels what is scheduled in a component of one of its functions,
// in one transaction: POST /api/cancel_all_jobs (convex-wire.md 2.6). component
// is the component's path, path a function such as "lib:migrate".
func (c *Client) CancelJobs(ctx context.Context, componentID, component, path string) error {
	b := appendJSON([]byte(`{"udfPath":`), strings.Replace(path, ":", ".js:", 1))
	b = appendJSON(append(b, `,"componentPath":`...), component)
	b = appendJSON(append(b, `,"componentId":`...), componentID)
	_, err := c.ask(ctx, c.patience.function, http.MethodPost, "/api/cancel_all_jobs", append(b, '}'))
	return err
}
