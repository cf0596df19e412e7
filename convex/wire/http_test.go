package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"strait/model/value"
)

// serve starts a server for one handler and a client on it.
func serve(t *testing.T, h http.HandlerFunc) *Client {
	srv := httptest.NewServer(h)
	c := New(Options{URL: srv.URL + "/", AdminKey: testKey})
	t.Cleanup(func() { c.Close(); srv.Close() })
	return c
}

func answerWith(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestFunction(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Convex "+testKey || r.Header.Get("Convex-Client") != "npm-cli-1.45.0" {
			t.Errorf("headers: %v", r.Header)
		}
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		want := `map[args:map[n:map[$integer:BQAAAAAAAAA=]] componentPath:migrations format:convex_encoded_json path:lib:migrate]`
		if fmt.Sprint(body) != want {
			t.Errorf("body: %v", body)
		}
		io.WriteString(w, `{"status":"success","value":{"$integer":"BQAAAAAAAAA="},"logLines":["[LOG] 'a'",{"messages":["'b'","1"],"level":"WARN"}]}`)
	})
	r, err := c.Function(t.Context(), Call{"migrations", "lib:migrate", value.NewObject(value.Field{Name: "n", Value: int64(5)})})
	if err != nil || r.Value != int64(5) || strings.Join(r.LogLines, "|") != "[LOG] 'a'|[WARN] 'b' 1" {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestFunctionFails(t *testing.T) {
	for _, status := range []int{200, 560} { // 560: older backends
		c := serve(t, answerWith(status, "application/json",
			`{"status":"error","errorMessage":"[Request ID: x] Server Error\nUncaught ConvexError: no","errorData":{"kind":"DRY RUN"}}`))
		_, err := c.Function(t.Context(), Call{Path: "m:f"})
		var fe *FunctionError
		if !errors.As(err, &fe) || !fe.HasData || !strings.Contains(fe.Message, "Uncaught ConvexError") {
			t.Errorf("status %d: %v", status, err)
		}
	}
}

// Every wrong answer has an error that says operation, place, cause and a way
// out, and none holds the key.
func TestWrongAnswers(t *testing.T) {
	tests := map[string]struct {
		status      int
		contentType string
		body        string
		want        []string
	}{
		"refused key": {401, "application/json", `{"code":"BadAdminKey","message":"The provided admin key was invalid for this instance"}`,
			[]string{"POST /api/function", "401", "BadAdminKey", "check that the key"}},
		"no permission":  {403, "application/json", `{"code":"OperationNotPermitted","message":"You do not have permission"}`, []string{"permission", "use a key"}},
		"proxy page":     {200, "text/html; charset=utf-8", "<html>Sign in</html>", []string{"web page", "URL of a Convex deployment"}},
		"proxy error":    {502, "text/html", "<html>Bad gateway</html>", []string{"502", "web page", "try again"}},
		"not found":      {404, "text/plain", "404 page not found", []string{"404", "convex.cloud"}},
		"empty":          {200, "application/json", "", []string{"empty answer"}},
		"other JSON":     {200, "application/json", `{"hello":"` + testKey + `"}`, []string{"not Convex's answer"}},
		"internal error": {500, "application/json", `{"code":"InternalServerError","message":"Your request couldn't be completed. Try again later."}`, []string{"InternalServerError", "try again"}},
		"key echoed":     {400, "application/json", `{"code":"X","message":"header Convex ` + testKey + ` and 0123456789abcdef"}`, []string{"400"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := serve(t, answerWith(test.status, test.contentType, test.body))
			_, err := c.Function(t.Context(), Call{Path: "m:f"})
			var he *HTTPError
			if !errors.As(err, &he) || he.Status != test.status {
				t.Fatalf("error: %v", err)
			}
			for _, want := range append(test.want, c.URL()) {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error %q lacks %q", err, want)
				}
			}
			if strings.Contains(err.Error(), "0123456789abcdef") {
				t.Errorf("error holds the key: %v", err)
			}
		})
	}
}

func TestQueryIsRetriedAndFunctionIsNot(t *testing.T) {
	var calls atomic.Int64
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) < 3 {
			answerWith(503, "application/json", `{"code":"ExecuteFullError","message":"busy"}`)(w, r)
			return
		}
		answerWith(200, "application/json", `{"status":"success","value":1}`)(w, r)
	})
	if r, err := c.Query(t.Context(), Call{Path: "m:q"}); err != nil || r.Value != 1.0 || calls.Load() != 3 {
		t.Errorf("%+v, %v after %d calls", r, err, calls.Load())
	}
	calls.Store(0)
	if _, err := c.Function(t.Context(), Call{Path: "m:f"}); err == nil || calls.Load() != 1 {
		t.Errorf("%v after %d calls", err, calls.Load())
	}
}

func TestHugeAnswer(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		chunk := make([]byte, 1<<20)
		for range maxResponse>>20 + 1 {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	})
	if _, err := c.Function(t.Context(), Call{Path: "m:f"}); err == nil || !strings.Contains(err.Error(), "larger than 64 MiB") {
		t.Errorf("error: %v", err)
	}
}

func TestNobodyThere(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	c := New(Options{URL: "http://" + ln.Addr().String(), AdminKey: testKey})
	defer c.Close()
	if _, err := c.Version(t.Context()); err == nil || !strings.Contains(err.Error(), "connection refused; is the deployment running") {
		t.Errorf("error: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Version(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error: %v", err)
	}
	plain := serve(t, answerWith(200, "text/plain", "1"))
	tls := New(Options{URL: strings.Replace(plain.URL(), "http:", "https:", 1), AdminKey: testKey})
	defer tls.Close()
	if _, err := tls.Version(t.Context()); err == nil || !strings.Contains(err.Error(), "try http://") {
		t.Errorf("error: %v", err)
	}
}

func TestBadURL(t *testing.T) {
	for _, url := range []string{"", "happy-otter-123", "ftp://x", "https://", "http://user:0123456789abcdef@x", "http://[::1", "https://a\x7f0123456789abcdef"} {
		c := New(Options{URL: url, AdminKey: testKey})
		_, err := c.Version(t.Context())
		if err == nil || strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("%q: %v", url, err)
		}
		if _, err := c.Mutate(t.Context(), Call{Path: "m:f"}); err == nil {
			t.Errorf("%q: mutation without error", url)
		}
		c.Close()
	}
}

func TestCheckAdminKey(t *testing.T) {
	c := serve(t, answerWith(200, "application/json", `{"success":true,"allowedOps":["ViewData"],"isReadOnly":true}`))
	a, err := c.CheckAdminKey(t.Context())
	if err != nil || !a.ReadOnly || !a.Allows("ViewData") || a.Allows("WriteData") {
		t.Errorf("%+v, %v", a, err)
	}
	if all := (Access{ReadOnly: true}); !all.Allows("ViewData") || !all.Allows("RunTestQuery") || all.Allows("WriteData") || all.Allows("Deploy") {
		t.Error("a read-only key of which no operations are listed may write, or may not read")
	}
}

// The key goes to the address that was given and to no other.
func TestNoRedirectIsFollowed(t *testing.T) {
	asked := false
	other := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer other.Close()
	srv := httptest.NewServer(http.RedirectHandler(other.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	c := New(Options{URL: srv.URL, AdminKey: "secret"})
	defer c.Close()
	_, err := c.CheckAdminKey(t.Context())
	if asked || err == nil || !strings.Contains(err.Error(), "another address") {
		t.Errorf("asked elsewhere: %v; %v", asked, err)
	}
}
