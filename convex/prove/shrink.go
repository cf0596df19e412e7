package prove

import (
	"context"
	"iter"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

// Bounds of shrinking: documents tried, and of a failure that takes its time.
const (
	maxShrinks     = 600
	maxSlowShrinks = 4
)

// shrink looks for the smallest document that fails as the one found does:
// fewer fields first, then simpler values. Every step is run again.
func (s *search) shrink(ctx context.Context, f *found) (*plan.Counterexample, error) {
	left := maxShrinks
	if f.code == codeTimeout || f.code == codeMemory {
		left = maxSlowShrinks
	}
	for smaller := true; smaller; {
		smaller = false
		for doc := range s.simpler(f.doc) {
			if left == 0 {
				break
			}
			if !s.allowed(f, doc) {
				continue
			}
			left--
			g, err := s.single(ctx, candidate{doc, f.real})
			if err != nil {
				return nil, err
			}
			if g != nil && f.same(g) {
				f, smaller = g, true
				break
			}
		}
	}
	f.counter.Real = f.real
	return f.counter, nil
}

// allowed reports whether a smaller document may stand for the one found.
func (s *search) allowed(f *found, doc value.Object) bool {
	if f.counter.Kind == plan.KindTouchesFitting {
		return s.target.FitsDocument(doc, s.w.tables())
	}
	return s.widened.FitsDocument(doc, s.w.tables())
}

// simpler are documents a step smaller, the boldest steps first.
func (s *search) simpler(doc value.Object) iter.Seq[value.Object] {
	system := value.Object{}
	for _, f := range doc {
		if f.Name == "_id" || f.Name == "_creationTime" {
			system = append(system, f)
		}
	}
	return func(yield func(value.Object) bool) {
		for v := range s.smaller(s.widened.Document, fields(doc)) {
			o, ok := v.(value.Object)
			if !ok {
				continue
			}
			for _, f := range system {
				o = o.With(f.Name, f.Value)
			}
			if !yield(o) {
				return
			}
		}
	}
}

// smaller are values a step simpler than v: of the same kind, or of a simpler
// one that the validator takes there.
func (s *search) smaller(shape *schema.Validator, v value.Value) iter.Seq[value.Value] {
	return func(yield func(value.Value) bool) {
		for _, x := range s.plainer(shape, v) {
			if simplerThan(x, v) && !yield(x) {
				return
			}
		}
		switch v := v.(type) {
		case value.Object:
			s.smallerObject(shape, v)(yield)
		case value.Array:
			s.smallerArray(shape, v)(yield)
		}
	}
}

func (s *search) smallerObject(shape *schema.Validator, o value.Object) iter.Seq[value.Value] {
	return func(yield func(value.Value) bool) {
		for _, f := range o {
			if !yield(o.Without(f.Name)) {
				return
			}
		}
		for _, f := range o {
			for x := range s.smaller(inField(shape, f.Name), f.Value) {
				if !yield(o.With(f.Name, x)) {
					return
				}
			}
		}
	}
}

func (s *search) smallerArray(shape *schema.Validator, a value.Array) iter.Seq[value.Value] {
	return func(yield func(value.Value) bool) {
		for n := len(a) / 2; n > 0; n /= 2 { // without a run of n
			for at := 0; at+n <= len(a); at += n {
				out := append(append(value.Array{}, a[:at]...), a[at+n:]...)
				if !yield(out) {
					return
				}
			}
		}
		for _, plain := range []value.Value{nil, false, 0.0, int64(0), ""} {
			if out, ok := levelled(a, plain); ok && !yield(out) {
				return
			}
		}
		for i := range min(len(a), 8) {
			for x := range s.smaller(inElement(shape), a[i]) {
				out := append(value.Array{}, a...)
				out[i] = x
				if !yield(out) {
					return
				}
			}
		}
	}
}

// levelled is the array with the same plain value everywhere, when that is
// simpler than what it holds.
func levelled(a value.Array, plain value.Value) (value.Array, bool) {
	out, simpler := make(value.Array, len(a)), false
	for i, x := range a {
		out[i] = plain
		if value.Equal(x, plain) {
			continue
		}
		if x == nil || !simplerThan(plain, x) {
			return nil, false
		}
		simpler = true
	}
	return out, simpler
}

// plainer are plain values to try in the place of v, the plainest first; which
// of them fit is found out with the document as a whole.
func (s *search) plainer(shape *schema.Validator, v value.Value) []value.Value {
	switch v := v.(type) {
	case nil:
		return nil
	case bool:
		return []value.Value{nil, false}
	case float64:
		return []value.Value{nil, false, 0.0, 1.0, -1.0, math.NaN(), math.Inf(1), 0.5, math.Trunc(v)}
	case int64:
		return []value.Value{nil, false, int64(0), int64(1), int64(-1), v / 2}
	case string:
		return append([]value.Value{nil, false, 0.0, int64(0)}, s.shorter(shape, v)...)
	case value.Bytes:
		return []value.Value{nil, false, value.Bytes{}, v[:len(v)/2]}
	case value.Array:
		return []value.Value{nil, false, 0.0, int64(0), "", value.Array{}}
	case value.Object:
		return []value.Value{nil, false, 0.0, int64(0), "", value.Array{}, value.Object{}}
	}
	return nil
}

// shorter are shorter texts: of an id, ids of documents that there are; of a
// literal the ones before it.
func (s *search) shorter(shape *schema.Validator, text string) []value.Value {
	var out []value.Value
	if id, err := value.ParseID(text); err == nil {
		if table, ok := s.w.tables().TableName(id.Table); ok {
			for _, id := range s.w.ids[table] {
				if id == text {
					break
				}
				out = append(out, id)
			}
			return out
		}
	}
	if listed := literals(shape); slices.Contains(listed, value.Value(text)) {
		out = append(out, listed[:slices.Index(listed, value.Value(text))]...)
	}
	runes := []rune(text)
	for _, plain := range []string{"", "a"} {
		if len(plain) < len(runes) || len(plain) == len(runes) && text != plain {
			out = append(out, plain)
		}
	}
	if level := strings.Repeat("a", len(runes)); level != text {
		out = append(out, level)
	}
	if utf8.ValidString(text) {
		for n := len(runes) / 2; n > 0; n /= 2 {
			out = append(out, string(runes[:len(runes)-n]), string(runes[n:]))
		}
	}
	return out
}

// simplerThan keeps shrinking from going in circles: kinds have an order, and
// within a kind something is measured that only gets smaller.
func simplerThan(a, b value.Value) bool {
	if ra, rb := rank(a), rank(b); ra != rb {
		return ra < rb
	}
	switch a := a.(type) {
	case bool:
		return !a && b.(bool)
	case float64:
		return oddity(a) < oddity(b.(float64))
	case int64:
		return weight(a) < weight(b.(int64))
	case string:
		return true // shorter gives no others
	case value.Bytes:
		return len(a) < len(b.(value.Bytes))
	case value.Array:
		return len(a) < len(b.(value.Array))
	case value.Object:
		return len(a) < len(b.(value.Object))
	}
	return false
}

func rank(v value.Value) int {
	switch v.(type) {
	case nil:
		return 0
	case bool:
		return 1
	case float64:
		return 2
	case int64:
		return 3
	case string:
		return 4
	case value.Bytes:
		return 5
	case value.Array:
		return 6
	}
	return 7
}

// oddity orders numbers from plain to odd.
func oddity(f float64) float64 {
	switch {
	case math.IsNaN(f):
		return 1000
	case math.IsInf(f, 0):
		return 1001 + max(0, -math.Copysign(1, f))
	case f == 0 && !math.Signbit(f):
		return 0
	case f == 0:
		return 0.25
	case f == math.Trunc(f) && math.Abs(f) < 999:
		return math.Abs(f) + max(0, -math.Copysign(0.5, f))
	case f == math.Trunc(f):
		return math.Abs(f) + 2e6
	}
	return math.Abs(f) + 1e6
}

func weight(n int64) uint64 {
	if n < 0 {
		return uint64(-(n+1))*2 + 3
	}
	return uint64(n) * 2
}

func inField(v *schema.Validator, name string) *schema.Validator {
	if v == nil {
		return nil
	}
	switch v.Kind {
	case schema.Object:
		if f := v.Field(name); f != nil {
			return f.Type
		}
	case schema.Record:
		return v.Element
	case schema.Union:
		for _, m := range v.Members {
			if in := inField(m, name); in != nil {
				return in
			}
		}
	}
	return nil
}

func inElement(v *schema.Validator) *schema.Validator {
	if v == nil {
		return nil
	}
	if v.Kind == schema.Array {
		return v.Element
	}
	for _, m := range v.Members {
		if in := inElement(m); in != nil {
			return in
		}
	}
	return nil
}

// literals are the texts that the validator lists.
func literals(v *schema.Validator) []value.Value {
	if v == nil {
		return nil
	}
	if _, ok := v.Literal.(string); ok && v.Kind == schema.Literal {
		return []value.Value{v.Literal}
	}
	var out []value.Value
	for _, m := range v.Members {
		out = append(out, literals(m)...)
	}
	return out
}
