package local

import (
	"encoding/base64"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"strait/model/schema"
	"strait/model/value"
)

// What one page of a system function may read (6.2).
const (
	maxPageRows  = 10000
	maxPageBytes = 5_000_000
)

// pageResult is a PaginationResult.
type pageResult struct {
	Page           any    `json:"page"`
	IsDone         bool   `json:"isDone"`
	ContinueCursor string `json:"continueCursor"`
}

func listTables(c *systemCall) (any, error) {
	type row struct {
		Name string `json:"name"`
	}
	c.reads.Add(ReadSchema(c.component))
	rows := []row{}
	for _, t := range c.view.Tables(c.component) {
		rows = append(rows, row{t.Name})
	}
	return pageResult{rows, true, "end"}, nil
}

func tableData(c *systemCall) (any, error) {
	table, err := c.text("table")
	if err != nil {
		return nil, err
	}
	order, err := c.text("order")
	if err != nil {
		return nil, err
	}
	if order != "asc" && order != "desc" {
		return nil, &argumentError{"Value does not match validator.\nPath: .order\nValue: " + value.Display(order) + "\nValidator: v.union(v.literal(\"asc\"), v.literal(\"desc\"))"}
	}
	return c.page(table, order == "desc")
}

// tableDocuments is the dashboard's tableData. Filters are not served: a
// caller that sends some must not take the whole table for its answer.
func tableDocuments(c *systemCall) (any, error) {
	table, err := c.text("table")
	if err != nil {
		return nil, err
	}
	desc := true
	if v, _ := c.args.Get("filters"); v != nil {
		text, _ := v.(string)
		raw, err := base64.StdEncoding.DecodeString(text)
		var f struct {
			Clauses []json.RawMessage `json:"clauses"`
			Order   string            `json:"order"`
			Index   json.RawMessage   `json:"index"`
		}
		if err == nil {
			err = json.Unmarshal(raw, &f)
		}
		if err != nil {
			return nil, &argumentError{"filters is not base64 of a filter expression"}
		}
		if len(f.Clauses) > 0 || f.Index != nil {
			return nil, &FunctionError{Message: "Uncaught Error: the embedded deployment does not filter in paginatedTableDocuments; read the pages and filter there"}
		}
		desc = f.Order != "asc"
	}
	return c.page(table, desc)
}

// page reads a page of a table by creation time.
func (c *systemCall) page(table string, desc bool) (any, error) {
	opts, _ := c.args.Get("paginationOpts")
	o, ok := opts.(value.Object)
	if !ok {
		return nil, &argumentError{"Object is missing the required field `paginationOpts`."}
	}
	cursor, _ := o.Get("cursor")
	items, _ := o.Get("numItems")
	n, ok := items.(float64)
	if !ok || n < 1 {
		return nil, &FunctionError{Message: "Uncaught Error: Must request at least 1 document while paginating"}
	}
	from, end, err := readCursor(cursor, table, desc)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(table, "_") && table != scheduledTable && table != storageTable {
		return nil, &FunctionError{Message: "Uncaught Error: There is no virtual system table " + table}
	}
	c.reads.Add(ReadTable(c.component, table))
	docs := []json.RawMessage{}
	if end {
		return pageResult{docs, true, writeCursor("", table, desc)}, nil
	}
	rows, bytes, last, more := 0, 0, from, false
	for doc := range c.view.Scan(c.component, table, from, desc) {
		if rows >= int(min(n, maxPageRows)) || bytes >= maxPageBytes {
			more = true
			break
		}
		docs = append(docs, json.RawMessage(doc.JSON))
		rows++
		bytes += len(doc.JSON)
		last = doc.ID
	}
	if !more {
		last = ""
	}
	return pageResult{docs, !more, writeCursor(last, table, desc)}, nil
}

// writeCursor is an opaque text for "after the document id"; "" is the end.
func writeCursor(id, table string, desc bool) string {
	return base64.RawURLEncoding.EncodeToString([]byte(table + "\x00" + strconv.FormatBool(desc) + "\x00" + id))
}

func readCursor(cursor value.Value, table string, desc bool) (from string, end bool, err error) {
	if cursor == nil {
		return "", false, nil
	}
	text, _ := cursor.(string)
	raw, err := base64.RawURLEncoding.DecodeString(text)
	parts := strings.Split(string(raw), "\x00")
	if err != nil || len(parts) != 3 {
		return "", false, &FunctionError{Message: "Uncaught Error: InvalidCursor: Failed to parse cursor", Code: "InvalidCursor"}
	}
	if parts[0] != table || parts[1] != strconv.FormatBool(desc) {
		return "", false, &FunctionError{
			Message: "Uncaught ConvexError: InvalidCursor: Tried to run a query starting from a cursor, but it looks like this cursor is from a different query.",
			Data:    json.RawMessage(`{"isConvexSystemError":true,"paginationError":"InvalidCursor"}`),
			Code:    "InvalidCursor",
		}
	}
	return parts[2], parts[2] == "", nil
}

func tableSize(c *systemCall) (any, error) {
	name, err := c.text("tableName")
	if err != nil {
		return nil, err
	}
	c.reads.Add(ReadTable(c.component, name))
	for _, t := range c.view.Tables(c.component) {
		if t.Name == name {
			return t.Count, nil
		}
	}
	return 0, nil
}

func sizeOfAllTables(c *systemCall) (any, error) {
	c.reads.Add(ReadSchema(c.component))
	var sum int64
	for _, t := range c.view.Tables(c.component) {
		c.reads.Add(ReadTable(c.component, t.Name))
		sum += t.Count
	}
	return sum, nil
}

// queryTable is a new number whenever the table changes.
func queryTable(c *systemCall) (any, error) {
	name, err := c.text("tableName")
	if err != nil {
		return nil, err
	}
	c.reads.Add(ReadTable(c.component, name))
	return rand.Float64(), nil
}

func getSchemas(c *systemCall) (any, error) {
	c.reads.Add(ReadSchema(c.component))
	state := c.d.SchemaState(c.component)
	out := map[string]string{}
	if state.Active != nil {
		out["active"] = storedSchema(state.Active)
	}
	if state.InProgress != nil {
		out["inProgress"] = storedSchema(state.InProgress)
	}
	return out, nil
}

// storedSchema is the stored form (7.2): tables sorted by name.
func storedSchema(s *schema.Schema) string {
	sorted := *s
	sorted.Tables = slices.Clone(s.Tables)
	slices.SortFunc(sorted.Tables, func(a, b *schema.Table) int { return strings.Compare(a.Name, b.Name) })
	return string(sorted.JSON())
}

func validationProgress(c *systemCall) (any, error) {
	c.reads.Add(ReadSchema(c.component))
	state := c.d.SchemaState(c.component)
	if state.InProgress == nil {
		return nil, nil
	}
	out := struct {
		Validated int64  `json:"numDocsValidated"`
		Total     *int64 `json:"totalDocs"`
	}{Validated: state.Validated}
	if state.Total > 0 {
		out.Total = &state.Total
	}
	return out, nil
}

func listIndexes(c *systemCall) (any, error) {
	if id, _ := c.args.Get("tableNamespace"); id != nil {
		path, ok := c.d.componentByID(id)
		if !ok {
			return nil, nil
		}
		c.component = path
	}
	name, _ := c.args.Get("tableName")
	table, _ := name.(string)
	c.reads.Add(ReadSchema(c.component))
	if !slices.ContainsFunc(c.view.Tables(c.component), func(t TableInfo) bool { return t.Name == table }) {
		return nil, nil
	}
	type backfill struct {
		State string `json:"state"`
	}
	type row struct {
		Name     string   `json:"name"`
		Staged   bool     `json:"staged"`
		Fields   any      `json:"fields"`
		Backfill backfill `json:"backfill"`
	}
	rows := []row{}
	for _, ix := range c.view.Indexes(c.component, table) {
		r := row{ix.Name, ix.Staged, ix.Fields, backfill{"done"}}
		filters := append([]string{}, ix.FilterFields...)
		switch ix.Kind {
		case schema.SearchIndex:
			r.Fields = map[string]any{"searchField": ix.SearchField, "filterFields": filters}
		case schema.VectorIndex:
			r.Fields = map[string]any{"vectorField": ix.VectorField, "dimensions": ix.Dimensions, "filterFields": filters}
		}
		if ix.Staged {
			r.Backfill.State = "backfilled"
		}
		rows = append(rows, r)
	}
	return rows, nil
}

func tableMapping(c *systemCall) (any, error) {
	c.reads.Add(ReadSchema(c.component))
	out := map[string]string{}
	for _, t := range c.view.Tables(c.component) {
		out[strconv.FormatUint(uint64(t.Number), 10)] = t.Name
	}
	// Convex stores jobs and files under other names than it shows.
	out[strconv.Itoa(scheduledNumber)], out[strconv.Itoa(storageNumber)] = "_scheduled_jobs", "_file_storage"
	return out, nil
}

// document reads one document by id.
func (c *systemCall) document(id string) (Document, bool) {
	parsed, err := value.ParseID(id)
	if err != nil {
		return Document{}, false
	}
	if table, ok := c.view.IDs(c.component).TableName(parsed.Table); ok {
		c.reads.Add(ReadTable(c.component, table))
	}
	return c.view.Get(c.component, id)
}

func getByID(c *systemCall) (any, error) {
	id, err := c.text("id")
	if err != nil {
		return nil, err
	}
	if doc, ok := c.document(id); ok {
		return json.RawMessage(doc.JSON), nil
	}
	return nil, nil
}

func listByID(c *systemCall) (any, error) {
	v, _ := c.args.Get("ids")
	list, ok := v.(value.Array)
	if !ok {
		return nil, &argumentError{"Object is missing the required field `ids`."}
	}
	out := []any{}
	for _, item := range list {
		o, _ := item.(value.Object)
		id, idOK := fieldOf(o, "id").(string)
		table, tableOK := fieldOf(o, "tableName").(string)
		if !idOK || !tableOK {
			return nil, &argumentError{"Value does not match validator.\nPath: .ids\nValidator: v.array(v.object({id: v.string(), tableName: v.string()}))"}
		}
		out = append(out, nil)
		parsed, err := value.ParseID(id)
		if err != nil {
			continue // as a document that does not exist
		}
		if name, known := c.view.IDs(c.component).TableName(parsed.Table); !known || name != table {
			continue
		}
		if doc, ok := c.document(id); ok {
			out[len(out)-1] = json.RawMessage(doc.JSON)
		}
	}
	return out, nil
}

func fieldOf(o value.Object, name string) value.Value {
	v, _ := o.Get(name)
	return v
}

// scheduledJobs is one page of all jobs that have not finished.
func scheduledJobs(c *systemCall) (any, error) {
	type state struct {
		Type string `json:"type"`
	}
	type row struct {
		ID           string          `json:"_id"`
		CreationTime float64         `json:"_creationTime"`
		NextTS       json.RawMessage `json:"nextTs"`
		UDFPath      string          `json:"udfPath"`
		State        state           `json:"state"`
		UDFArgs      json.RawMessage `json:"udfArgs"`
		ArgsID       *string         `json:"argsId"`
		Component    string          `json:"component,omitempty"`
	}
	want, filtered := c.args.Get("udfPath")
	c.reads.Add(ReadTable(c.component, scheduledTable))
	rows := []row{}
	for _, j := range c.view.Jobs(c.component) {
		path := strings.Replace(j.Path, ":", ".js:", 1)
		if filtered && want != path {
			continue
		}
		rows = append(rows, row{
			ID: j.ID, CreationTime: j.CreationTime, NextTS: value.Append(nil, j.At.UnixNano()), UDFPath: path,
			State: state{j.State}, UDFArgs: value.Append(nil, value.Bytes(j.Args)), Component: j.Component,
		})
	}
	return pageResult{rows, true, "end"}, nil
}
