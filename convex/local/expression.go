package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"strait/model/value"
)

// expression is a filter expression of convex-wire.md 12.5, ready to run.
type expression func(doc value.Object) (value.Value, error)

// maxExpressionDepth keeps a filter from exhausting the stack.
const maxExpressionDepth = 512

// parseExpression compiles the JSON of a filter.
func parseExpression(text []byte, depth int) (expression, error) {
	if depth > maxExpressionDepth {
		return nil, errors.New("the filter expression is nested too deeply")
	}
	o, err := parseObject(string(text))
	if err != nil {
		return nil, err
	}
	if len(o) != 1 {
		return nil, fmt.Errorf("a filter expression has one operator, this one has %d keys", len(o))
	}
	op, arg := o[0].name, view(o[0].text)
	switch op {
	case "$literal":
		v, err := value.DecodePatch(arg)
		return func(value.Object) (value.Value, error) { return v, nil }, err
	case "$field":
		var path string
		if err := json.Unmarshal(arg, &path); err != nil {
			return nil, err
		}
		return func(doc value.Object) (value.Value, error) { return value.Lookup(doc, path), nil }, nil
	case "$not", "$neg":
		x, err := parseExpression(arg, depth+1)
		if err != nil {
			return nil, err
		}
		if op == "$not" {
			return func(doc value.Object) (value.Value, error) {
				b, err := truth(x, doc)
				return !b, err
			}, nil
		}
		return func(doc value.Object) (value.Value, error) { return negate(x, doc) }, nil
	}
	var list []json.RawMessage
	if err := json.Unmarshal(arg, &list); err != nil {
		return nil, err
	}
	parts := make([]expression, len(list))
	for i, e := range list {
		if parts[i], err = parseExpression(e, depth+1); err != nil {
			return nil, err
		}
	}
	if op == "$and" || op == "$or" {
		return junction(parts, op == "$or"), nil
	}
	if len(parts) != 2 {
		return nil, fmt.Errorf("filter operator %s takes two operands, got %d", op, len(parts))
	}
	if test, ok := comparisons[op]; ok {
		return func(doc value.Object) (value.Value, error) {
			l, r, err := both(parts, doc)
			if err != nil {
				return nil, err
			}
			return test(value.Compare(l, r)), nil
		}, nil
	}
	if a, ok := arithmetics[op]; ok {
		return func(doc value.Object) (value.Value, error) {
			l, r, err := both(parts, doc)
			if err != nil {
				return nil, err
			}
			return a.run(l, r)
		}, nil
	}
	return nil, fmt.Errorf("unknown filter operator %q", op)
}

func both(parts []expression, doc value.Object) (l, r value.Value, err error) {
	if l, err = parts[0](doc); err == nil {
		r, err = parts[1](doc)
	}
	return l, r, err
}

// junction is $or when or is true, else $and.
func junction(parts []expression, or bool) expression {
	return func(doc value.Object) (value.Value, error) {
		for _, p := range parts {
			b, err := truth(p, doc)
			if err != nil {
				return nil, err
			}
			if b == or {
				return or, nil
			}
		}
		return !or, nil
	}
}

// truth runs an expression that must give a boolean.
func truth(e expression, doc value.Object) (bool, error) {
	v, err := e(doc)
	if err != nil {
		return false, err
	}
	b, ok := v.(bool)
	if !ok {
		return false, userErrorf("EvalError", "Expected a boolean in a filter, got %s (type %s)", value.Display(v), typeName(v))
	}
	return b, nil
}

var comparisons = map[string]func(int) bool{
	"$eq":  func(c int) bool { return c == 0 },
	"$neq": func(c int) bool { return c != 0 },
	"$lt":  func(c int) bool { return c < 0 },
	"$lte": func(c int) bool { return c <= 0 },
	"$gt":  func(c int) bool { return c > 0 },
	"$gte": func(c int) bool { return c >= 0 },
}

// arithmetic is a binary operator on two numbers of one type.
type arithmetic struct {
	verb   string
	floats func(a, b float64) float64
	ints   func(a, b int64) (int64, bool) // false: out of range
}

var arithmetics = map[string]arithmetic{
	"$add": {"add", func(a, b float64) float64 { return a + b }, func(a, b int64) (int64, bool) {
		c := a + b
		return c, (c > a) == (b > 0)
	}},
	"$sub": {"subtract", func(a, b float64) float64 { return a - b }, func(a, b int64) (int64, bool) {
		c := a - b
		return c, (c < a) == (b > 0)
	}},
	"$mul": {"multiply", func(a, b float64) float64 { return a * b }, func(a, b int64) (int64, bool) {
		if a == 0 || b == 0 {
			return 0, true
		}
		c := a * b
		return c, c/b == a && !(a == -1 && b == math.MinInt64) && !(b == -1 && a == math.MinInt64)
	}},
	"$div": {"divide", func(a, b float64) float64 { return a / b }, func(a, b int64) (int64, bool) {
		if b == 0 || a == math.MinInt64 && b == -1 {
			return 0, false
		}
		return a / b, true
	}},
	"$mod": {"mod", math.Mod, func(a, b int64) (int64, bool) {
		if b == 0 || a == math.MinInt64 && b == -1 {
			return 0, false
		}
		return a % b, true
	}},
}

func (a arithmetic) run(l, r value.Value) (value.Value, error) {
	switch x := l.(type) {
	case int64:
		if y, ok := r.(int64); ok {
			v, ok := a.ints(x, y)
			if !ok && y == 0 {
				return nil, userErrorf("EvalError", "Cannot %s %d by zero", a.verb, x)
			}
			if !ok {
				return nil, userErrorf("EvalError", "Cannot %s %d and %d: the result is out of range for Int64", a.verb, x, y)
			}
			return v, nil
		}
	case float64:
		if y, ok := r.(float64); ok {
			return a.floats(x, y), nil
		}
	}
	return nil, userErrorf("EvalError", "Cannot %s %s (type %s) and %s (type %s)",
		a.verb, value.Display(l), typeName(l), value.Display(r), typeName(r))
}

func negate(e expression, doc value.Object) (value.Value, error) {
	v, err := e(doc)
	if err != nil {
		return nil, err
	}
	switch x := v.(type) {
	case int64:
		if x == math.MinInt64 {
			return nil, userErrorf("EvalError", "Cannot negate %d: the result is out of range for Int64", x)
		}
		return -x, nil
	case float64:
		return -x, nil
	}
	return nil, userErrorf("EvalError", "Cannot negate %s (type %s)", value.Display(v), typeName(v))
}

func typeName(v value.Value) string {
	switch v.(type) {
	case nil:
		return "Null"
	case value.Undefined:
		return "Undefined"
	case bool:
		return "Boolean"
	case float64:
		return "Float64"
	case int64:
		return "Int64"
	case string:
		return "String"
	case value.Bytes:
		return "Bytes"
	case value.Array:
		return "Array"
	default:
		return "Object"
	}
}
