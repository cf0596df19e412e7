package wire

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// The client says it is the official CLI of this version (1.7), over the
// WebSocket the npm client of the same version (4.1).
const (
	clientVersion = "1.45.0"
	clientHeader  = "npm-cli-" + clientVersion
)

// Client is an admin client of one deployment.
type Client struct {
	base   string // URL without trailing slash
	urlErr error
	key    string
	http   *http.Client
	now    func() time.Time

	patience patience
	traffic  struct{ read, written atomic.Int64 }

	mu      sync.Mutex
	closed  bool
	sess    *session // nil until something live is asked for
	state   ConnectionState
	watches map[*stateWatch]struct{}
	notice  Deprecation
}

// New makes a client. It does no I/O; a bad URL is the error of every call.
func New(o Options) *Client {
	c := &Client{key: o.AdminKey, http: o.HTTP, now: o.Now, patience: usualPatience, watches: map[*stateWatch]struct{}{}}
	if c.http == nil {
		c.http = defaultHTTP()
	}
	if c.now == nil {
		c.now = time.Now
	}
	c.base, c.urlErr = normalURL(o.URL)
	return c
}

func defaultHTTP() *http.Client {
	// A deployment does not redirect. Whoever does is not asked where to, with a
	// key in hand.
	stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &http.Client{CheckRedirect: stay, Transport: &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: usualPatience.function,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   4,
	}}
}

// normalURL checks a deployment's URL and takes off what follows the host's
// path.
func normalURL(text string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	if err != nil {
		// url.Error repeats the text, in which somebody may have put a key.
		return "", errors.New("deployment URL cannot be read; it looks like https://happy-otter-123.convex.cloud")
	}
	if u.User != nil {
		return "", errors.New("deployment URL holds a user name or password; give the key in its own option")
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return "", fmt.Errorf("deployment URL %q: want http:// or https:// and a host, such as https://happy-otter-123.convex.cloud", text)
	}
	return u.Scheme + "://" + u.Host + strings.TrimRight(u.Path, "/"), nil
}

// URL is the deployment's URL as it is used.
func (c *Client) URL() string { return c.base }

// Close ends the session, its subscriptions and its waiting mutations, and
// returns when no callback runs any more. It must not be called from one.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	s := c.sess
	var watches []*stateWatch
	for w := range c.watches {
		watches = append(watches, w)
	}
	c.mu.Unlock()
	if s != nil {
		s.close()
	}
	for _, w := range watches {
		w.box.stop()
	}
	c.http.CloseIdleConnections()
	return nil
}
