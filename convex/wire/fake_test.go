package wire

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
)

const testKey = "test-deployment|0123456789abcdef"

// fake is a deployment whose every message the test itself sends. It listens
// in memory, so that it can live in a synctest bubble.
type fake struct {
	t     *testing.T
	conns chan *fakeConn
	pipes chan net.Conn
	mux   *http.ServeMux
	quit  chan struct{}
	once  sync.Once
	http  *http.Client
	srv   *http.Server
	wg    sync.WaitGroup
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, conns: make(chan *fakeConn, 16), pipes: make(chan net.Conn), mux: http.NewServeMux(), quit: make(chan struct{})}
	f.mux.HandleFunc(syncPath, func(w http.ResponseWriter, r *http.Request) {
		ws, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Errorf("accept: %v", err)
			return
		}
		ws.SetReadLimit(-1)
		c := &fakeConn{t: t, ws: ws, in: make(chan map[string]any, 100), gone: make(chan struct{})}
		f.wg.Go(c.read)
		f.conns <- c
	})
	f.srv = &http.Server{Handler: f.mux, ErrorLog: log.New(io.Discard, "", 0)}
	f.http = &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		here, there := net.Pipe()
		select {
		case f.pipes <- there:
			return here, nil
		case <-f.quit:
			return nil, net.ErrClosed
		}
	}}}
	f.wg.Go(func() { f.srv.Serve(f) })
	return f
}

func (f *fake) Accept() (net.Conn, error) {
	select {
	case c := <-f.pipes:
		return c, nil
	case <-f.quit:
		return nil, net.ErrClosed
	}
}

func (f *fake) Addr() net.Addr { return &net.TCPAddr{} }

func (f *fake) Close() error {
	f.once.Do(func() { close(f.quit) })
	return nil
}

func (f *fake) client() *Client {
	return New(Options{URL: "http://fake.test", AdminKey: testKey, HTTP: f.http})
}

// stop ends the server after the client was closed.
func (f *fake) stop() {
	f.srv.Close()
	f.Close()
	f.wg.Wait()
}

type fakeConn struct {
	t    *testing.T
	ws   *websocket.Conn
	in   chan map[string]any
	gone chan struct{}
}

func (c *fakeConn) read() {
	defer close(c.gone)
	defer c.ws.CloseNow()
	for {
		_, text, err := c.ws.Read(context.Background())
		if err != nil {
			return
		}
		var m map[string]any
		if err := json.Unmarshal(text, &m); err != nil {
			c.t.Errorf("client sent %q", text)
			return
		}
		c.in <- m
	}
}

// expect returns the next message, which must be of a type.
func (c *fakeConn) expect(typ string) map[string]any {
	c.t.Helper()
	m := <-c.in
	if m["type"] != typ {
		c.t.Fatalf("client sent %v, want a %s", m, typ)
	}
	return m
}

// hello takes what every connection begins with and returns the Connect and
// the first ModifyQuerySet.
func (c *fakeConn) hello() (connect, modify map[string]any) {
	c.t.Helper()
	connect = c.expect("Connect")
	if auth := c.expect("Authenticate"); auth["value"] != testKey || auth["tokenType"] != "Admin" || auth["baseVersion"] != 0.0 {
		c.t.Fatalf("authenticate: %v", auth)
	}
	modify = c.expect("ModifyQuerySet")
	if modify["baseVersion"] != 0.0 || modify["newVersion"] != 1.0 {
		c.t.Fatalf("first query set: %v", modify)
	}
	return connect, modify
}

func (c *fakeConn) send(text string) {
	c.t.Helper()
	if err := c.ws.Write(context.Background(), websocket.MessageText, []byte(text)); err != nil {
		c.t.Fatalf("send %.80s: %v", text, err)
	}
}

func (c *fakeConn) drop() { c.ws.CloseNow() }

// transition is the text of a Transition.
func transition(from, to stateVersion, modifications ...string) string {
	return fmt.Sprintf(`{"type":"Transition","startVersion":%s,"endVersion":%s,"modifications":[%s]}`,
		versionText(from), versionText(to), strings.Join(modifications, ","))
}

func versionText(v stateVersion) string {
	return fmt.Sprintf(`{"querySet":%d,"identity":%d,"ts":%q}`, v.QuerySet, v.Identity, tsText(uint64(v.TS)))
}

func tsText(ts uint64) string {
	return base64.StdEncoding.EncodeToString(binary.LittleEndian.AppendUint64(nil, ts))
}

func updated(id int, value string) string {
	return fmt.Sprintf(`{"type":"QueryUpdated","queryId":%d,"value":%s,"logLines":[],"journal":"j%d"}`, id, value, id)
}

func ran(id any, value string, ts uint64) string {
	return fmt.Sprintf(`{"type":"MutationResponse","requestId":%v,"success":true,"result":%s,"ts":%q,"logLines":["[LOG] 'hi'"]}`, id, value, tsText(ts))
}

func version(querySet uint32, ts uint64) stateVersion {
	return stateVersion{QuerySet: querySet, Identity: 1, TS: timestamp(ts)}
}
