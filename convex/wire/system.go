package wire

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"strait/model/schema"
	"strait/model/value"
)

// ComponentInfo is one row of components:list (6.2).
type ComponentInfo struct {
	ID    string
	Name  string // "" the root
	Path  string // names joined by "/"; "" the root
	State string // "active", or "unmounted": data kept, functions gone
}

// Schemas are the schemas of one component. The JSON is the stored form (7.2).
type Schemas struct {
	Active, InProgress         *schema.Schema // nil: none
	ActiveJSON, InProgressJSON []byte
}

// SchemaProgress is how far the validation of a pending schema is.
type SchemaProgress struct {
	Pending   bool // there is a pending schema
	Validated int64
	Total     int64 // -1 unknown
}

// Page is one page of documents.
type Page struct {
	Documents []value.Object
	IsDone    bool
	Cursor    string // continues after the page
}

// FunctionSpec is one deployed function.
type FunctionSpec struct {
	Path        string // "dir/mod:export"; an HTTP action: "GET /path"
	Type        string // Query, Mutation, Action, HttpAction
	Public      bool
	Args        *schema.Validator // nil: accepts anything, or cannot be read
	Returns     *schema.Validator
	ArgsJSON    json.RawMessage
	ReturnsJSON json.RawMessage
}

// Components lists the components, with the root's row where there is one.
func (c *Client) Components(ctx context.Context) ([]ComponentInfo, error) {
	const path = "_system/frontend/components:list"
	r, err := c.system(ctx, Call{Path: path})
	if err != nil {
		return nil, err
	}
	rows, ok := r.Value.(value.Array)
	if !ok {
		return nil, c.odd(path, r.Value)
	}
	var out []ComponentInfo
	for _, row := range rows {
		o, _ := row.(value.Object)
		out = append(out, ComponentInfo{ID: text(o, "id"), Name: text(o, "name"), Path: text(o, "path"), State: text(o, "state")})
	}
	return out, nil
}

// componentArgs are arguments with the id of a component, "" the root.
func componentArgs(componentID string, fields ...value.Field) value.Object {
	if componentID != "" {
		fields = append(fields, value.Field{Name: "componentId", Value: componentID})
	}
	return value.NewObject(fields...)
}

const schemasPath = "_system/frontend/getSchemas"

// Schemas are the active and the pending schema of a component.
func (c *Client) Schemas(ctx context.Context, componentID string) (Schemas, error) {
	r, err := c.system(ctx, Call{Path: schemasPath, Args: componentArgs(componentID)})
	if err != nil {
		return Schemas{}, err
	}
	return c.readSchemas(r.Value)
}

// SubscribeSchemas keeps Schemas live; the rules of Subscribe hold.
func (c *Client) SubscribeSchemas(componentID string, fn func(Schemas, error)) (stop func()) {
	return subscribe(c, Call{Path: schemasPath, Args: componentArgs(componentID)}, c.readSchemas, fn)
}

func (c *Client) readSchemas(v value.Value) (Schemas, error) {
	o, ok := v.(value.Object)
	if !ok {
		return Schemas{}, c.odd(schemasPath, v)
	}
	var out Schemas
	for _, which := range []struct {
		name string
		s    **schema.Schema
		json *[]byte
	}{{"active", &out.Active, &out.ActiveJSON}, {"inProgress", &out.InProgress, &out.InProgressJSON}} {
		t := text(o, which.name)
		if t == "" {
			continue
		}
		s, err := schema.Parse([]byte(t))
		if err != nil {
			return out, fmt.Errorf("read the %s schema of %s: %w", which.name, c.base, err)
		}
		*which.s, *which.json = s, []byte(t)
	}
	return out, nil
}

// SubscribeSchemaProgress keeps the validation of the pending schema live.
func (c *Client) SubscribeSchemaProgress(componentID string, fn func(SchemaProgress, error)) (stop func()) {
	const path = schemasPath + ":schemaValidationProgress"
	read := func(v value.Value) (SchemaProgress, error) {
		if v == nil {
			return SchemaProgress{Total: -1}, nil
		}
		o, ok := v.(value.Object)
		if !ok {
			return SchemaProgress{}, c.odd(path, v)
		}
		p := SchemaProgress{Pending: true, Total: -1, Validated: integer(o, "numDocsValidated")}
		if total, _ := o.Get("totalDocs"); total != nil {
			p.Total = integer(o, "totalDocs")
		}
		return p, nil
	}
	return subscribe(c, Call{Path: path, Args: componentArgs(componentID)}, read, fn)
}

// Tables names the user tables of a component, by its path.
func (c *Client) Tables(ctx context.Context, component string) ([]string, error) {
	const path = "_system/cli/tables"
	var names []string
	for cursor := value.Value(nil); ; {
		r, err := c.system(ctx, Call{component, path, value.NewObject(pagination(cursor, 10000))})
		if err != nil {
			return nil, err
		}
		p, err := c.readPage(path, r.Value)
		if err != nil {
			return nil, err
		}
		for _, row := range p.Documents {
			names = append(names, text(row, "name"))
		}
		if p.IsDone || p.Cursor == cursor {
			return names, nil
		}
		cursor = p.Cursor
	}
}

func pagination(cursor value.Value, n int) value.Field {
	return value.Field{Name: "paginationOpts", Value: value.NewObject(
		value.Field{Name: "cursor", Value: cursor},
		value.Field{Name: "numItems", Value: float64(n)},
	)}
}

const tableSizePath = "_system/cli/tableSize"

func tableSizeCall(component, table string) Call {
	return Call{component, tableSizePath, value.NewObject(value.Field{Name: "tableName", Value: table})}
}

// TableSize counts the documents of a table, exactly and at once.
func (c *Client) TableSize(ctx context.Context, component, table string) (int64, error) {
	r, err := c.system(ctx, tableSizeCall(component, table))
	if err != nil {
		return 0, err
	}
	return c.readCount(r.Value)
}

// SubscribeTableSize keeps TableSize live; the rules of Subscribe hold.
func (c *Client) SubscribeTableSize(component, table string, fn func(int64, error)) (stop func()) {
	return subscribe(c, tableSizeCall(component, table), c.readCount, fn)
}

func (c *Client) readCount(v value.Value) (int64, error) {
	switch n := v.(type) {
	case float64:
		return int64(n), nil
	case int64:
		return n, nil
	}
	return 0, c.odd(tableSizePath, v)
}

// TableData is one page of a table by creation time, order "asc" or "desc",
// cursor "" from the beginning. The deployment may give fewer than n.
func (c *Client) TableData(ctx context.Context, component, table, order, cursor string, n int) (Page, error) {
	const path = "_system/cli/tableData"
	var from value.Value
	if cursor != "" {
		from = cursor
	}
	r, err := c.system(ctx, Call{component, path, value.NewObject(
		value.Field{Name: "table", Value: table},
		value.Field{Name: "order", Value: order},
		pagination(from, n),
	)})
	if err != nil {
		return Page{}, err
	}
	return c.readPage(path, r.Value)
}

func (c *Client) readPage(path string, v value.Value) (Page, error) {
	o, _ := v.(value.Object)
	rows, ok := field(o, "page").(value.Array)
	if !ok {
		return Page{}, c.odd(path, v)
	}
	done, _ := field(o, "isDone").(bool)
	p := Page{IsDone: done, Cursor: text(o, "continueCursor"), Documents: make([]value.Object, 0, len(rows))}
	for _, row := range rows {
		doc, ok := row.(value.Object)
		if !ok {
			return Page{}, c.odd(path, row)
		}
		p.Documents = append(p.Documents, doc)
	}
	return p, nil
}

// shownAs are the names that schemas have for tables which Convex stores under
// another one.
var shownAs = map[string]string{"_file_storage": "_storage", "_scheduled_jobs": "_scheduled_functions"}

// TableMapping tells the tables of a component by their number, those of files
// and scheduled functions by the names that v.id has for them.
func (c *Client) TableMapping(ctx context.Context, componentID string) (map[uint32]string, error) {
	const path = "_system/frontend/getTableMapping"
	r, err := c.system(ctx, Call{Path: path, Args: componentArgs(componentID)})
	if err != nil {
		return nil, err
	}
	o, ok := r.Value.(value.Object)
	if !ok {
		return nil, c.odd(path, r.Value)
	}
	out := make(map[uint32]string, len(o))
	for _, f := range o {
		n, err := strconv.ParseUint(f.Name, 10, 32)
		name, ok := f.Value.(string)
		if err != nil || !ok {
			return nil, c.odd(path, r.Value)
		}
		if shown := shownAs[name]; shown != "" {
			name = shown
		}
		out[uint32(n)] = name
	}
	return out, nil
}

// APISpec lists the deployed functions of a component.
func (c *Client) APISpec(ctx context.Context, componentID string) ([]FunctionSpec, error) {
	const path = "_system/cli/modules:apiSpec"
	r, err := c.system(ctx, Call{Path: path, Args: componentArgs(componentID)})
	if err != nil {
		return nil, err
	}
	rows, ok := r.Value.(value.Array)
	if !ok {
		return nil, c.odd(path, r.Value)
	}
	out := make([]FunctionSpec, 0, len(rows))
	for _, row := range rows {
		o, _ := row.(value.Object)
		f := FunctionSpec{Type: text(o, "functionType")}
		if f.Type == "HttpAction" {
			f.Public, f.Path = true, text(o, "method")+" "+text(o, "path")
			out = append(out, f)
			continue
		}
		f.Path = strings.Replace(text(o, "identifier"), ".js:", ":", 1)
		visibility, _ := field(o, "visibility").(value.Object)
		f.Public = text(visibility, "kind") == "public"
		f.Args, f.ArgsJSON = readValidator(field(o, "args"))
		f.Returns, f.ReturnsJSON = readValidator(field(o, "returns"))
		out = append(out, f)
	}
	return out, nil
}

// readValidator reads a validator that came as an object or as JSON text; one
// of a kind that is not known yet is nil.
func readValidator(v value.Value) (*schema.Validator, json.RawMessage) {
	var raw []byte
	switch v := v.(type) {
	case nil:
		return nil, nil
	case string:
		raw = []byte(v)
	default:
		raw = value.Append(nil, v)
	}
	parsed, err := schema.ParseValidator(raw)
	if err != nil {
		return nil, raw
	}
	return parsed, raw
}

// Documents reads documents by id; one that does not exist is left out.
func (c *Client) Documents(ctx context.Context, componentID string, ids []string) ([]value.Object, error) {
	const path = "_system/frontend/listById"
	if len(ids) == 0 {
		return nil, nil
	}
	tables, err := c.TableMapping(ctx, componentID)
	if err != nil {
		return nil, err
	}
	var list value.Array
	for _, id := range ids {
		decoded, err := value.ParseID(id)
		if err != nil {
			return nil, fmt.Errorf("read document %q: %w", id, err)
		}
		if table, ok := tables[decoded.Table]; ok {
			list = append(list, value.NewObject(value.Field{Name: "id", Value: id}, value.Field{Name: "tableName", Value: table}))
		}
	}
	r, err := c.system(ctx, Call{Path: path, Args: componentArgs(componentID, value.Field{Name: "ids", Value: list})})
	if err != nil {
		return nil, err
	}
	rows, ok := r.Value.(value.Array)
	if !ok {
		return nil, c.odd(path, r.Value)
	}
	var out []value.Object
	for _, row := range rows {
		if doc, ok := row.(value.Object); ok {
			out = append(out, doc)
		}
	}
	return out, nil
}

// system calls a query function of the backend: over HTTP at the root, over
// the WebSocket in a component.
func (c *Client) system(ctx context.Context, call Call) (Result, error) {
	var r Result
	var err error
	if call.Component == "" {
		r, err = c.Query(ctx, call)
	} else {
		r, err = c.Once(ctx, call)
	}
	if err != nil {
		return Result{}, c.explain(call, err)
	}
	return r, nil
}

// explain says so when the deployment lacks the function: the system functions
// come with the backend and are no stable interface (6.1).
func (c *Client) explain(call Call, err error) error {
	var f *FunctionError
	if !errors.As(err, &f) || !f.Missing() {
		return err
	}
	if strings.HasPrefix(call.Path, "_system/") {
		return fmt.Errorf("%s on %s: %w: its backend is older or newer than the ones Strait knows, or the key may not read data", call.Path, c.base, ErrMissing)
	}
	return fmt.Errorf("%s of component %q on %s: %w: is @convex-dev/migrations deployed there, under that name?", call.Path, call.Component, c.base, ErrMissing)
}

// subscribe is Subscribe with the value read into a type.
func subscribe[T any](c *Client, call Call, read func(value.Value) (T, error), fn func(T, error)) (stop func()) {
	return c.Subscribe(call, func(u Update) {
		var none T
		if u.Err != nil {
			fn(none, c.explain(call, u.Err))
			return
		}
		fn(read(u.Value))
	})
}

// odd is an answer of a shape that is not known.
func (c *Client) odd(path string, v value.Value) error {
	return fmt.Errorf("%s on %s: unexpected answer %s: its backend is newer or older than the ones Strait knows", path, c.base, c.clean(value.Display(v)))
}

func field(o value.Object, name string) value.Value {
	v, _ := o.Get(name)
	return v
}

func text(o value.Object, name string) string {
	s, _ := field(o, name).(string)
	return s
}

func integer(o value.Object, name string) int64 {
	switch n := field(o, name).(type) {
	case float64:
		return int64(n)
	case int64:
		return n
	}
	return 0
}

// moment reads milliseconds since the epoch; 0 is the zero time.
func moment(o value.Object, name string) time.Time {
	ms := integer(o, name)
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
