package local

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
)

// FuzzClientMessages feeds a connection what a client may send: it never
// panics, and what it refuses has a short name and a text.
func FuzzClientMessages(f *testing.F) {
	const hello = `{"type":"Connect","sessionId":"s","maxObservedTimestamp":"AAAAAAAAAAA="}`
	f.Add([]byte(hello), []byte(`{"type":"ModifyQuerySet","baseVersion":0,"newVersion":1,"modifications":[{"type":"Add","queryId":0,"udfPath":"m:f","args":[{}],"journal":"x"}]}`))
	f.Add([]byte(hello), []byte(`{"type":"Authenticate","tokenType":"Admin","value":"a|b:eyJ9","baseVersion":0}`))
	f.Add([]byte(hello), []byte(`{"type":"Mutation","requestId":1,"udfPath":"m:","args":5}`))
	f.Add([]byte(`{"type":"Event"}`), []byte(`{"type":"Action","componentPath":"x"}`))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		d := New(Options{AdminKey: "a|b"})
		defer d.Close()
		ctx, cancel := context.WithCancel(t.Context())
		c := newSyncConn(ctx, ctx, d, true)
		defer c.running.Wait()
		defer cancel()
		for _, text := range [][]byte{first, second} {
			m := &clientMessage{}
			if json.Unmarshal(text, m) != nil {
				return
			}
			if err := c.handle(m); err != nil {
				var bad *syncError
				if !errors.As(err, &bad) || bad.reason == "" || bad.text == "" {
					t.Fatalf("refused with %v", err)
				}
				return
			}
			c.startUpdate()
			if c.updating {
				u := <-c.updates
				c.finished = &u
				c.finishUpdate()
			}
		}
	})
}

// FuzzRequests feeds the readers of paths, arguments, cursors and keys.
func FuzzRequests(f *testing.F) {
	for _, s := range []string{"dir/mod.js:f", "[{}]", `[{"a":1}]`, "name|secret:e30=", "prod:a|b", writeCursor("x", "t", true), "AAAAAAAAAAA="} {
		f.Add(s)
	}
	d := New(Options{AdminKey: "a|b"})
	f.Cleanup(func() { d.Close() })
	f.Fuzz(func(t *testing.T, s string) {
		if path, err := functionPath(s); err == nil {
			if again, err := functionPath(path); err != nil || again != path {
				t.Errorf("%q became %q, then %q, %v", s, path, again, err)
			}
		}
		if args, err := argsObject(json.RawMessage(s)); err == nil && args[0] != '{' {
			t.Errorf("arguments %q became %q", s, args)
		}
		if id, err := d.checkKey(s); err == nil && id.admin && normalKey(s) != "a|b" {
			t.Errorf("key %q was accepted", s)
		}
		readCursor(s, "t", true)
		if ts, err := decodeTS(s); err == nil && encodeTS(ts) == "" {
			t.Errorf("timestamp %q", s)
		}
		takesChunks(s)
	})
}
