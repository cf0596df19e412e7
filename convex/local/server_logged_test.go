package local_test

import (
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"strait/convex/local"
	"strait/convex/wire"
	"strait/model/value"
)

// loggable are values as documents hold them, without what a log leaves out:
// bytes, and what is nested deeper than the log prints.
func loggable(depth int) *rapid.Generator[value.Value] {
	leaf := rapid.OneOf(
		rapid.Just[value.Value](nil),
		rapid.Map(rapid.Bool(), func(b bool) value.Value { return b }),
		rapid.Map(rapid.Float64(), func(f float64) value.Value { return f }),
		rapid.SampledFrom([]value.Value{math.Inf(1), math.Inf(-1), math.NaN(), math.Copysign(0, -1), 1e21, 5e-324, 1795347682701.806}),
		rapid.Map(rapid.Int64(), func(n int64) value.Value { return n }),
		rapid.Map(rapid.String(), func(s string) value.Value { return s }),
		rapid.Map(rapid.StringOf(rapid.RuneFrom([]rune("'\"\\\n\r\t\b\f\v\x00\x1b{}[]:, é🚢"))), func(s string) value.Value { return s }),
	)
	if depth == 0 {
		return leaf
	}
	return rapid.OneOf(leaf,
		rapid.Map(rapid.SliceOfN(loggable(depth-1), 0, 4), func(a []value.Value) value.Value { return value.Array(a) }),
		rapid.Map(rapid.MapOfN(rapid.StringMatching(`[a-zA-Z_0-9][ -~]{0,6}`), loggable(depth-1), 0, 4), func(m map[string]value.Value) value.Value {
			var fields []value.Field
			for k, v := range m {
				fields = append(fields, value.Field{Name: k, Value: v})
			}
			return value.NewObject(fields...)
		}))
}

// What a function logs reads back as the value it was: so the examples of a
// dry run can be shown as documents.
func TestLoggedValuesReadBack(t *testing.T) {
	d := deploy(t, nil)
	rapid.Check(t, func(t *rapid.T) {
		v := loggable(3).Draw(t, "value")
		args := string(value.Append(nil, object("x", v)))
		r := d.Run(t.Context(), local.Request{Path: "notes:log", Args: args})
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		text := r.Log[0].Messages[1]
		got, err := wire.ParseInspect(text)
		if err != nil || !value.Equal(got, v) {
			t.Fatalf("%s\nlogged as %s\nread as %s, %v", args, text, value.Append(nil, got), err)
		}
	})
}

// A quiet connection gets a Ping every fifteen seconds, and stays.
func TestSyncPings(t *testing.T) {
	app := load(t, nil).App
	synctest.Test(t, func(t *testing.T) {
		d := local.New(local.Options{Name: "fixture", Seed: 1})
		defer d.Close()
		if err := d.Push(t.Context(), local.Push{App: app}); err != nil {
			t.Fatal(err)
		}
		p := hello(t, d, "s", "")
		p.query(0, add(0, "notes:count", "{}"))
		p.expect("Transition")
		began := time.Now()
		for range 20 {
			if m, err := p.read(); err != nil || m.Type != "Ping" {
				t.Fatalf("got %+v, %v", m, err)
			}
		}
		if took := time.Since(began); took != 20*15*time.Second {
			t.Errorf("20 pings took %v", took)
		}
		p.ws.CloseNow()
	})
}

// Two clients with our session: what one writes, the other sees; a wrong key
// ends the client that has it and no other.
func TestWrongKeyEndsItsClientOnly(t *testing.T) {
	d := deploy(t, nil)
	good := dial(t, d)
	bad := wire.New(wire.Options{URL: "http://embedded", AdminKey: "fixture|wrong", HTTP: d.HTTPClient()})
	defer bad.Close()
	errs := make(chan error, 10)
	bad.Subscribe(wire.Call{Path: "notes:count"}, func(u wire.Update) { errs <- u.Err })
	counts := make(chan value.Value, 10)
	good.Subscribe(wire.Call{Path: "notes:count"}, func(u wire.Update) { counts <- u.Value })
	if err := next(t, errs); err == nil || !strings.Contains(err.Error(), "check that the key belongs to this deployment") || strings.Contains(err.Error(), "wrong") {
		t.Errorf("wrong key: %v", err)
	}
	if v := next(t, counts); v != 0.0 {
		t.Errorf("right key: %v", v)
	}
	if _, err := bad.Version(t.Context()); err != nil {
		t.Errorf("what needs no key: %v", err)
	}
	if _, err := bad.CheckAdminKey(t.Context()); err == nil || !strings.Contains(err.Error(), "BadAdminKey") {
		t.Errorf("probe: %v", err)
	}
}
