package fleet

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// proxy stands between a Fleet and a deployment. Armed, it loses the live
// connection at the next mutation: before it reaches the deployment, or after,
// so that only its answer is lost. HTTP passes always.
type proxy struct {
	t    *testing.T
	ln   net.Listener
	to   string
	mu   sync.Mutex
	mode string // "", "before", "after"
	gone bool   // live connections are refused
	lost chan struct{}
	open map[net.Conn]bool
}

func newProxy(t *testing.T, to string) *proxy {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{t: t, ln: ln, to: to, open: map[net.Conn]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.serve(c) })
		}
	})
	t.Cleanup(func() {
		ln.Close()
		p.mu.Lock()
		for c := range p.open {
			c.Close()
		}
		p.mu.Unlock()
		wg.Wait()
	})
	return p
}

func (p *proxy) addr() string { return p.ln.Addr().String() }

// arm loses the next mutation; keep says that live connections fail from then
// on until mend.
func (p *proxy) arm(mode string, keep bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode, p.lost = mode, make(chan struct{})
	if keep {
		p.mode += " and for good"
	}
}

func (p *proxy) mend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.mode, p.gone = "", false
}

func (p *proxy) track(c net.Conn, on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if on {
		p.open[c] = true
	} else {
		delete(p.open, c)
	}
}

func (p *proxy) serve(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", p.to)
	if err != nil {
		return
	}
	defer up.Close()
	for _, x := range []net.Conn{c, up} {
		p.track(x, true)
		defer p.track(x, false)
	}
	r := bufio.NewReader(c)
	var head strings.Builder
	for !strings.HasSuffix(head.String(), "\r\n\r\n") {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		head.WriteString(line)
	}
	live := strings.Contains(strings.ToLower(head.String()), "upgrade: websocket")
	p.mu.Lock()
	gone := live && p.gone
	p.mu.Unlock()
	if gone {
		return
	}
	if _, err := io.WriteString(up, head.String()); err != nil {
		return
	}
	over := make(chan struct{})
	var silent sync.Mutex // held: what the deployment says is lost
	go func() {
		defer close(over)
		defer c.Close()
		buf := make([]byte, 64<<10)
		for {
			n, err := up.Read(buf)
			silent.Lock()
			if n > 0 && err == nil {
				_, err = c.Write(buf[:n])
			}
			silent.Unlock()
			if err != nil {
				return
			}
		}
	}()
	if live {
		p.frames(r, c, up, &silent)
	} else {
		io.Copy(up, r)
	}
	up.Close()
	<-over
}

// frames passes a client's WebSocket frames on, until a mutation is to be lost.
func (p *proxy) frames(r *bufio.Reader, c, up net.Conn, silent *sync.Mutex) {
	for {
		frame, payload, err := readFrame(r)
		if err != nil {
			return
		}
		p.mu.Lock()
		mode, lost := "", p.lost
		if p.mode != "" && strings.Contains(payload, `"type":"Mutation"`) {
			mode = p.mode
			p.gone = strings.HasSuffix(mode, "for good")
			p.mode = ""
		}
		p.mu.Unlock()
		if strings.HasPrefix(mode, "before") {
			close(lost)
			return
		}
		if mode != "" { // the deployment hears it, and nobody hears the deployment
			silent.Lock()
			defer silent.Unlock()
			c.Close()
			up.Write(frame)
			close(lost)
			io.Copy(io.Discard, r)
			return
		}
		if _, err := up.Write(frame); err != nil {
			return
		}
	}
}

// readFrame reads one masked frame, as it came and unmasked.
func readFrame(r *bufio.Reader) (raw []byte, payload string, err error) {
	raw = make([]byte, 2)
	if _, err := io.ReadFull(r, raw); err != nil {
		return nil, "", err
	}
	n := uint64(raw[1] & 0x7f)
	if extra := map[uint64]int{126: 2, 127: 8}[n]; extra > 0 {
		b := make([]byte, extra)
		if _, err := io.ReadFull(r, b); err != nil {
			return nil, "", err
		}
		raw = append(raw, b...)
		n = binary.BigEndian.Uint64(append(make([]byte, 8-extra), b...))
	}
	body := make([]byte, 4+n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, "", err
	}
	raw = append(raw, body...)
	text := make([]byte, n)
	for i := range text {
		text[i] = body[4+i] ^ body[i%4]
	}
	return raw, string(text), nil
}
