package wire

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"strait/model/schema"
)

// Shape is what a deployment has inferred of the values of one place
// (convex-wire.md 6.3): every stored value fits it, but not every value that
// fits it is stored.
type Shape struct {
	// Type is Unknown, Never, Null, Int64, Float64, Boolean, String, Bytes, Id,
	// Array, Object, Record or Union.
	Type    string       `json:"type"`
	Table   string       `json:"tableName"`  // Id
	Element *Shape       `json:"shape"`      // Array
	Fields  []ShapeField `json:"fields"`     // Object
	Key     *Shape       `json:"keyShape"`   // Record
	Values  *ShapeField  `json:"valueShape"` // Record, without a name
	Members []Shape      `json:"shapes"`     // Union
	Float   struct {
		// Special says that there are infinities, NaN or -0.
		Special bool `json:"hasSpecialValues"`
	} `json:"float64Range"` // Float64
}

// ShapeField is one field of an object's shape.
type ShapeField struct {
	Name     string `json:"fieldName"`
	Optional bool   `json:"optional"`
	Shape    Shape  `json:"shape"`
}

// Shapes are the inferred shapes of a component's user tables, documents with
// their system fields, GET /api/shapes2. componentID is "" for the root.
func (c *Client) Shapes(ctx context.Context, componentID string) (map[string]Shape, error) {
	path := withParam("/api/shapes2", "component", componentID)
	r, err := c.ask(ctx, c.patience.function, http.MethodGet, path, nil)
	if err != nil {
		return nil, err
	}
	var shapes map[string]Shape
	if err := json.Unmarshal(r.body, &shapes); err != nil || shapes == nil || r.html() {
		return nil, c.notConvex("GET "+path, r)
	}
	return shapes, nil
}

func withParam(path, name, value string) string {
	if value == "" {
		return path
	}
	return path + "?" + name + "=" + url.QueryEscape(value)
}

// maxShapeDepth bounds how deep a shape is read: Convex's values nest 64 deep.
const maxShapeDepth = 100

// Validator is a validator of documents without system fields that accepts
// every document the shape was inferred from, and maybe more: when a table's
// validator accepts all that it accepts, no document of the table can be wrong
// (14.2). A shape of a kind that is not known yet is taken for Unknown, which
// is any; of Never, which nothing fits, it is a union without members.
func (s Shape) Validator() *schema.Validator { return s.validator(0) }

func (s Shape) validator(depth int) *schema.Validator {
	if depth > maxShapeDepth {
		return &schema.Validator{Kind: schema.Any}
	}
	if kind, ok := simpleShapes[s.Type]; ok {
		return &schema.Validator{Kind: kind}
	}
	switch s.Type {
	case "Id":
		if s.Table == "" {
			return &schema.Validator{Kind: schema.String}
		}
		return &schema.Validator{Kind: schema.ID, Table: s.Table}
	case "Array":
		return &schema.Validator{Kind: schema.Array, Element: s.Element.within(depth)}
	case "Object":
		v := &schema.Validator{Kind: schema.Object}
		for _, f := range s.Fields {
			if depth == 0 && strings.HasPrefix(f.Name, "_") {
				continue
			}
			v.Fields = append(v.Fields, schema.Field{Name: f.Name, Optional: f.Optional, Type: f.Shape.within(depth)})
		}
		return v
	case "Record":
		v := &schema.Validator{Kind: schema.Record, Key: s.Key.key(), Element: &schema.Validator{Kind: schema.Any}}
		if s.Values != nil {
			v.Element = s.Values.Shape.within(depth)
		}
		return v
	case "Never", "Union":
		v := &schema.Validator{Kind: schema.Union}
		for _, m := range s.Members {
			// A member that is an object holds the documents' system fields too.
			v.Members = append(v.Members, m.validator(depth+min(depth, 1)))
		}
		return v
	}
	return &schema.Validator{Kind: schema.Any}
}

var simpleShapes = map[string]schema.Kind{
	"Null": schema.Null, "Int64": schema.Bigint, "Float64": schema.Number,
	"Boolean": schema.Boolean, "String": schema.String, "Bytes": schema.Bytes,
}

// within is the validator of a part; of one that is absent, any.
func (s *Shape) within(depth int) *schema.Validator {
	if s == nil {
		return &schema.Validator{Kind: schema.Any}
	}
	return s.validator(depth + 1)
}

// key is the validator of a record's keys, which are strings whatever the
// shape says.
func (s *Shape) key() *schema.Validator {
	if s != nil && s.Type == "Id" && s.Table != "" {
		return &schema.Validator{Kind: schema.ID, Table: s.Table}
	}
	return &schema.Validator{Kind: schema.String}
}
