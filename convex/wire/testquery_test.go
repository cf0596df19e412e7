package wire

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"strait/model/value"
)

func TestRunTestQuery(t *testing.T) {
	calls := 0
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if calls++; calls < 3 {
			w.WriteHeader(503)
			return
		}
		var body struct {
			AdminKey, Format, ComponentID string
			Args                          map[string]any
			Bundle                        struct{ Path, Source string }
		}
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
			t.Error(err)
		}
		if r.URL.Path != "/api/run_test_function" || body.AdminKey != testKey || body.Format != "convex_encoded_json" || body.ComponentID != "abc" ||
			body.Args["n"] != 1.0 || body.Bundle.Path != "testQuery.js" || body.Bundle.Source != "source \u2028 </script>" {
			t.Errorf("%s %+v", r.URL, body)
		}
		io.WriteString(w, `{"status":"success","value":[1],"logLines":["[LOG] 'hi'"]}`)
	})
	r, err := c.RunTestQuery(t.Context(), TestQuery{
		Source: "source \u2028 </script>", ComponentID: "abc", Args: value.NewObject(value.Field{Name: "n", Value: 1.0}),
	})
	if err != nil || value.Display(r.Value) != "[1.0]" || len(r.LogLines) != 1 || calls != 3 {
		t.Errorf("%v after %d calls: %v", r, calls, err)
	}
}

// What a query cannot help by running again is told at once.
func TestRunTestQueryRefused(t *testing.T) {
	for answer, status := range map[string]int{
		`{"code":"InvalidModules","message":"Could not analyze the given module:\nUncaught SyntaxError: x"}`: 400,
		`{"code":"BadAdminKey","message":"` + testKey + `"}`:                                                 401,
	} {
		calls := 0
		c := serve(t, func(w http.ResponseWriter, r *http.Request) {
			calls++
			answerWith(status, "application/json", answer)(w, r)
		})
		_, err := c.RunTestQuery(t.Context(), TestQuery{})
		var he *HTTPError
		if !errors.As(err, &he) || he.Status != status || he.Code == "" || calls != 1 || strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("%d calls: %v", calls, err)
		}
	}
}

func TestFunctionHandle(t *testing.T) {
	tests := map[string]struct {
		answer, handle string
		missing        bool
	}{
		"there":     {`{"status":"success","value":"function://abc#m:f"}`, "function://abc#m:f", false},
		"not there": {`{"status":"error","errorMessage":"[Request ID: x] Server Error\nUncaught Error: Function handle not found\n"}`, "", true},
		"failed":    {`{"status":"error","errorMessage":"[Request ID: x] Server Error\nUncaught Error: other\n"}`, "", false},
		"odd":       {`{"status":"success","value":5}`, "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := serve(t, answerWith(200, "application/json", test.answer))
			handle, err := c.FunctionHandle(t.Context(), "", "m:f")
			if handle != test.handle || (err == nil) != (handle != "") || errors.Is(err, ErrMissing) != test.missing {
				t.Errorf("%q, %v", handle, err)
			}
		})
	}
}
