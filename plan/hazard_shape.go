package plan

import (
	"strait/model/schema"
)

// eachID calls fn for every v.id in a document's validator.
func eachID(v *schema.Validator, path string, fn func(path, table string)) {
	if v == nil {
		return
	}
	switch v.Kind {
	case schema.ID:
		fn(path, v.Table)
	case schema.Array:
		eachID(v.Element, path+"[]", fn)
	case schema.Record:
		eachID(v.Key, path+".keys()", fn)
		eachID(v.Element, path+"{}", fn)
	case schema.Object:
		for _, f := range v.Fields {
			eachID(f.Type, path+"."+f.Name, fn)
		}
	case schema.Union:
		for _, m := range v.Members {
			eachID(m, path, fn)
		}
	}
}

// disjoint reports whether no value fits both validators for certain. Ids are
// strings and objects may be records, so that only what can never be is told.
func disjoint(a, b *schema.Validator) bool {
	if a == nil || b == nil || opaque(a) || opaque(b) {
		return false
	}
	if a.Kind == schema.Union {
		return len(a.Members) > 0 && every(a.Members, func(m *schema.Validator) bool { return disjoint(m, b) })
	}
	if b.Kind == schema.Union {
		return disjoint(b, a)
	}
	if sort(a) != sort(b) {
		return true
	}
	if a.Kind == schema.Literal && b.Kind == schema.Literal && sort(a) != schema.Literal {
		return a.Literal != b.Literal
	}
	if a.Kind == schema.Object && b.Kind == schema.Object {
		for _, f := range a.Fields {
			if g := b.Field(f.Name); g != nil && !f.Optional && !g.Optional && disjoint(f.Type, g.Type) {
				return true
			}
		}
	}
	return false
}

func opaque(v *schema.Validator) bool { return v.Kind == schema.Any || v.Kind == schema.CommitTs }

// sort is the kind of value that a validator takes.
func sort(v *schema.Validator) schema.Kind {
	switch v.Kind {
	case schema.ID:
		return schema.String
	case schema.Record:
		return schema.Object
	case schema.Literal:
		switch v.Literal.(type) {
		case string:
			return schema.String
		case bool:
			return schema.Boolean
		case int64:
			return schema.Bigint
		case float64:
			return schema.Number
		}
	}
	return v.Kind
}

func every[T any](list []T, is func(T) bool) bool {
	for _, x := range list {
		if !is(x) {
			return false
		}
	}
	return true
}
