// Package awkward is a proxy between a client and a deployment that records
// every WebSocket frame and every HTTP request, and misbehaves as tests ask:
// it changes, doubles, holds or invents frames, closes connections, falls
// silent without closing, sends bytes slowly, and answers HTTP in the
// deployment's place. Tests of any room may use it; no product code does.
package awkward

import (
	"context"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
)

// Frame is one WebSocket message as it came.
type Frame struct {
	Conn     int // number of the connection, from 0
	ToServer bool
	Text     string
}

// Request is one HTTP request as it came, WebSocket handshakes included.
type Request struct {
	Method, Path string
	Header       http.Header
}

// Options say how the proxy misbehaves; the zero Options do not.
type Options struct {
	// Frame says what is passed on in place of a frame: itself, others, none.
	// The frames of one direction of one connection are asked for in order, and
	// never two at once.
	Frame func(Frame) []string
	// HTTP answers in place of the deployment and reports true, or does nothing.
	HTTP func(w http.ResponseWriter, r *http.Request) bool
	// Slow sends at most so many bytes at a time, with a pause between; 0 all.
	Slow  int
	Pause time.Duration
}

// Proxy stands before one deployment.
type Proxy struct {
	target  string
	opt     Options
	ln      net.Listener
	srv     *http.Server
	http    *http.Client // to the deployment
	forward http.Handler
	running sync.WaitGroup
	asking  sync.Mutex // held while Options.Frame runs
	ctx     context.Context
	stop    context.CancelFunc

	mu       sync.Mutex
	changed  *sync.Cond
	frames   []Frame
	requests []Request
	conns    []*Conn
}

// Conn is one WebSocket connection through the proxy.
type Conn struct {
	Number           int
	client, upstream *websocket.Conn
	silent           chan struct{} // closed: nothing more is passed on
	once             sync.Once
}

// New starts a proxy on loopback for the deployment at a URL.
func New(target string, opt Options) (*Proxy, error) {
	to, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{}
	p := &Proxy{target: target, opt: opt, ln: ln, http: &http.Client{Transport: transport}}
	p.changed = sync.NewCond(&p.mu)
	p.ctx, p.stop = context.WithCancel(context.Background())
	quiet := log.New(io.Discard, "", 0)
	p.forward = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }, Transport: transport, ErrorLog: quiet,
	}
	p.srv = &http.Server{Handler: p, ErrorLog: quiet}
	p.running.Go(func() { p.srv.Serve(slowListener{ln, opt}) })
	return p, nil
}

// URL is where the client connects.
func (p *Proxy) URL() string { return "http://" + p.ln.Addr().String() }

// Close ends every connection and returns when nothing of the proxy runs.
func (p *Proxy) Close() {
	p.stop()
	p.srv.Close()
	p.mu.Lock()
	conns := slices.Clone(p.conns)
	p.mu.Unlock()
	for _, c := range conns {
		c.Drop()
	}
	p.running.Wait()
	p.http.CloseIdleConnections()
}

// Frames is a copy of what was recorded.
func (p *Proxy) Frames() []Frame {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.frames)
}

// Requests is a copy of what was recorded.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Attempts is how often a client began a WebSocket connection.
func (p *Proxy) Attempts() int {
	n := 0
	for _, r := range p.Requests() {
		if strings.HasSuffix(r.Path, "/sync") {
			n++
		}
	}
	return n
}

// Conn waits for the nth connection, from 0, until ctx ends; then it is nil.
func (p *Proxy) Conn(ctx context.Context, n int) *Conn {
	defer context.AfterFunc(ctx, p.changed.Broadcast)()
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.conns) <= n && ctx.Err() == nil {
		p.changed.Wait()
	}
	if len(p.conns) <= n {
		return nil
	}
	return p.conns[n]
}

// Drop breaks the connection off, both ways, without a close frame.
func (c *Conn) Drop() {
	c.client.CloseNow()
	c.upstream.CloseNow()
}

// CloseWith closes the connection towards the client.
func (c *Conn) CloseWith(code websocket.StatusCode, reason string) {
	c.client.Close(code, reason)
	c.upstream.CloseNow()
}

// Silence passes on nothing any more, in neither direction, while the sockets
// stay open: a half-open connection.
func (c *Conn) Silence() { c.once.Do(func() { close(c.silent) }) }

// Send sends the client a message of the proxy's own.
func (c *Conn) Send(ctx context.Context, text string) error {
	return c.client.Write(ctx, websocket.MessageText, []byte(text))
}

// ServeHTTP records a request and passes it on.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.requests = append(p.requests, Request{r.Method, r.URL.RequestURI(), r.Header.Clone()})
	p.changed.Broadcast()
	p.mu.Unlock()
	if p.opt.HTTP != nil && p.opt.HTTP(w, r) {
		return
	}
	if !strings.HasSuffix(r.URL.Path, "/sync") {
		p.forward.ServeHTTP(w, r)
		return
	}
	p.running.Add(1)
	defer p.running.Done()
	p.sync(w, r)
}

func (p *Proxy) sync(w http.ResponseWriter, r *http.Request) {
	upstream, resp, err := websocket.Dial(p.ctx, p.target+r.URL.Path, &websocket.DialOptions{HTTPClient: p.http})
	if err != nil {
		status := http.StatusBadGateway
		if resp != nil {
			status = resp.StatusCode
		}
		w.WriteHeader(status)
		return
	}
	defer upstream.CloseNow()
	client, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer client.CloseNow()
	upstream.SetReadLimit(-1)
	client.SetReadLimit(-1)
	c := &Conn{client: client, upstream: upstream, silent: make(chan struct{})}
	p.mu.Lock()
	c.Number = len(p.conns)
	p.conns = append(p.conns, c)
	p.changed.Broadcast()
	p.mu.Unlock()
	var there sync.WaitGroup
	there.Go(func() { p.pass(c, true) })
	p.pass(c, false)
	there.Wait()
}

// pass hands on the frames of one direction until either side ends.
func (p *Proxy) pass(c *Conn, toServer bool) {
	from, to := c.upstream, c.client
	if toServer {
		from, to = c.client, c.upstream
	}
	for {
		typ, text, err := from.Read(p.ctx)
		if err != nil {
			p.end(c, to, err)
			return
		}
		f := Frame{c.Number, toServer, string(text)}
		p.mu.Lock()
		p.frames = append(p.frames, f)
		p.changed.Broadcast()
		p.mu.Unlock()
		out := []string{f.Text}
		if p.opt.Frame != nil {
			p.asking.Lock()
			out = p.opt.Frame(f)
			p.asking.Unlock()
		}
		select {
		case <-c.silent:
			continue
		default:
		}
		for _, text := range out {
			if to.Write(p.ctx, typ, []byte(text)) != nil {
				from.CloseNow()
				return
			}
		}
	}
}

// end passes the end of one side on to the other, with its close frame.
func (p *Proxy) end(c *Conn, to *websocket.Conn, err error) {
	select {
	case <-c.silent: // the other side learns nothing
		if p.ctx.Err() == nil {
			return
		}
	default:
	}
	if code := websocket.CloseStatus(err); code >= 0 && code != websocket.StatusNoStatusRcvd {
		var reason string
		if closed, ok := err.(websocket.CloseError); ok {
			reason = closed.Reason
		}
		to.Close(code, reason)
		return
	}
	to.CloseNow()
}

// slowListener accepts connections that write slowly.
type slowListener struct {
	net.Listener
	opt Options
}

func (l slowListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || l.opt.Slow == 0 {
		return c, err
	}
	return &slowConn{c, l.opt}, nil
}

type slowConn struct {
	net.Conn
	opt Options
}

func (c *slowConn) Write(b []byte) (int, error) {
	sent := 0
	for len(b) > 0 {
		n, err := c.Conn.Write(b[:min(len(b), c.opt.Slow)])
		sent, b = sent+n, b[n:]
		if err != nil {
			return sent, err
		}
		time.Sleep(c.opt.Pause)
	}
	return sent, nil
}
