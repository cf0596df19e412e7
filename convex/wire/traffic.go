package wire

import (
	"io"
	"net/http"
	"sync/atomic"
)

// Traffic counts what went over the wire since New: bytes of HTTP bodies
// after decompression and of WebSocket messages; not headers and framing.
type Traffic struct{ Read, Written int64 }

// Traffic is what this client has read and written so far.
func (c *Client) Traffic() Traffic {
	return Traffic{Read: c.traffic.read.Load(), Written: c.traffic.written.Load()}
}

// countedReader counts what is read through it.
type countedReader struct {
	r io.Reader
	n *atomic.Int64
}

func (c *countedReader) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n.Add(int64(n))
	return n, err
}

// Deprecation is what the deployment says of the client version that this
// client goes by (1.7).
type Deprecation struct{ State, Message string }

// Deprecation is the newest notice of the deployment; zero: none.
func (c *Client) Deprecation() Deprecation {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.notice
}

func (c *Client) noteDeprecation(h http.Header) {
	state, message := h.Get("X-Convex-Deprecation-State"), h.Get("X-Convex-Deprecation-Message")
	if state == "" && message == "" {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.notice = Deprecation{c.clean(state), c.clean(message)}
}
