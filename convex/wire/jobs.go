package wire

import (
	"context"
	"net/http"
)

// CancelJob cancels a scheduled function of a component, by the component's id,
// "" the root: POST /api/cancel_job (convex-wire.md 2.6, 12.6). One that has
// finished stays as it is, so that asking twice does no harm.
func (c *Client) CancelJob(ctx context.Context, componentID, id string) error {
	const path = "/api/cancel_job"
	ctx, cancel := context.WithTimeout(ctx, functionTimeout)
	defer cancel()
	b := appendJSON([]byte(`{"id":`), id)
	if componentID != "" {
		b = appendJSON(append(b, `,"componentId":`...), componentID)
	}
	body := append(b, '}')
	_, err := c.retry(ctx, "POST "+path, func() (response, error) { return c.send(ctx, http.MethodPost, path, body) })
	return err
}
