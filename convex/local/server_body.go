package local

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/andybalholm/brotli"
)

// maxBody bounds the body of a function call (2.4).
const maxBody = 16<<20 + 2000

// httpError is an answer outside of function execution (2.4).
type httpError struct {
	status  int
	code    string
	message string
}

func (e *httpError) Error() string { return e.code + ": " + e.message }

func badRequest(code, format string, args ...any) *httpError {
	return &httpError{http.StatusBadRequest, code, fmt.Sprintf(format, args...)}
}

func writeError(w http.ResponseWriter, err error) {
	var e *httpError
	if !errors.As(err, &e) {
		e = &httpError{http.StatusInternalServerError, "InternalServerError", "Your request couldn't be completed. Try again later."}
	}
	writeJSON(w, e.status, struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	}{e.code, e.message})
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	text, err := json.Marshal(body)
	if err != nil { // our own structs, values that were valid JSON
		status, text = http.StatusInternalServerError, []byte(`{"code":"InternalServerError","message":"the answer cannot be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	w.Write(text)
}

// answered is a handler that writes what answer gives as JSON.
func answered[T any](answer func(*http.Request) (T, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a, err := answer(r)
		if err != nil {
			writeError(w, err)
			return
		}
		writeJSON(w, http.StatusOK, a)
	}
}

// maxPushBody bounds the body of a push, unpacked (10.1).
const maxPushBody = 200 << 20

// limitBody bounds a request's body, unpacked when it came compressed. The
// official CLI compresses what it pushes with brotli.
func (d *Deployment) limitBody(w http.ResponseWriter, r *http.Request) error {
	limit := int64(maxBody)
	if strings.HasPrefix(r.URL.Path, "/api/deploy2/") {
		// Only those who may deploy make us read so much.
		if _, err := d.requireOp(r, "Deploy"); err == nil {
			limit = maxPushBody
		}
	}
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "", "identity":
		r.Body = http.MaxBytesReader(w, r.Body, limit)
	case "gzip":
		zr, err := gzip.NewReader(http.MaxBytesReader(w, r.Body, limit))
		if err != nil {
			return badRequest("InvalidBody", "The request's body is no gzip: %v", err)
		}
		r.Body = http.MaxBytesReader(w, zr, limit)
	case "br":
		r.Body = http.MaxBytesReader(w, io.NopCloser(brotli.NewReader(http.MaxBytesReader(w, r.Body, limit))), limit)
	default:
		return &httpError{http.StatusUnsupportedMediaType, "UnsupportedEncoding", fmt.Sprintf("Content-Encoding %q: send the body plain, gzip or br", enc)}
	}
	return nil
}

// readJSON reads the whole body into v.
func readJSON(r *http.Request, v any) error {
	text, err := io.ReadAll(r.Body)
	if err != nil {
		var tooLarge *http.MaxBytesError
		if errors.As(err, &tooLarge) {
			return &httpError{http.StatusRequestEntityTooLarge, "RequestTooLarge", fmt.Sprintf("The request's body is larger than %d bytes", tooLarge.Limit)}
		}
		return badRequest("InvalidBody", "The request's body cannot be read: %v", err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return badRequest("BadJsonBody", "Failed to parse the request body as JSON: %v", err)
	}
	return nil
}

// compress wraps w so that a large answer goes out as gzip to a client that
// takes it.
func compress(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, func()) {
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") || r.Header.Get("Upgrade") != "" {
		return w, func() {}
	}
	c := &compressor{ResponseWriter: w}
	return c, c.finish
}

const compressFrom = 4 << 10

// compressor decides with the first write: our answers are written whole.
type compressor struct {
	http.ResponseWriter
	status int
	began  bool
	zip    *gzip.Writer
}

func (c *compressor) WriteHeader(status int) {
	if c.status == 0 {
		c.status = status
	}
}

func (c *compressor) Write(b []byte) (int, error) {
	if !c.began {
		c.began = true
		if len(b) >= compressFrom && c.Header().Get("Content-Length") == "" { // a length told is that of the plain bytes
			c.Header().Set("Content-Encoding", "gzip")
			c.Header().Add("Vary", "Accept-Encoding")
			c.zip = gzip.NewWriter(c.ResponseWriter)
		}
		c.ResponseWriter.WriteHeader(max(c.status, http.StatusOK))
	}
	if c.zip != nil {
		return c.zip.Write(b)
	}
	return c.ResponseWriter.Write(b)
}

func (c *compressor) finish() {
	if !c.began && c.status != 0 {
		c.ResponseWriter.WriteHeader(c.status)
	}
	if c.zip != nil {
		c.zip.Close() // a client that went away needs no trailer
	}
}

func (d *Deployment) echo(w http.ResponseWriter, r *http.Request) {
	io.Copy(w, r.Body) // the client's own bytes; what is lost with it is lost
}
