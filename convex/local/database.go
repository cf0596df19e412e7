package local

import (
	"strconv"
	"strings"

	"strait/model/value"
)

// The database syscalls of convex-wire.md 12.3 and 12.4.

func (f *function) queryStream(args string) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("queryStream", err)
	}
	if f.tx == nil {
		return "", userErrorf("NoDatabaseInActions", "Actions cannot query the database: use ctx.runQuery")
	}
	p, err := f.tx.parsePlan(f.component.Path, o.raw("query"), "queryStream")
	if err != nil {
		return "", err
	}
	if f.streams == nil {
		f.streams = map[int]*stream{}
	}
	id := f.streamID
	f.streamID++
	f.streams[id] = f.tx.stream(p)
	return `{"queryId":` + strconv.Itoa(id) + `}`, nil
}

func (f *function) queryCleanup(args string) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("queryCleanup", err)
	}
	id, _ := o.number("queryId")
	_, had := f.streams[int(id)]
	delete(f.streams, int(id))
	return strconv.FormatBool(had), nil
}

func (f *function) queryStreamNext(args string) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("queryStreamNext", err)
	}
	id, _ := o.number("queryId")
	s := f.streams[int(id)]
	if s == nil {
		return "", userErrorf("QueryNotFound", "in-progress query not found")
	}
	doc, err := s.next()
	if err != nil {
		return "", err
	}
	if doc == nil {
		return `{"value":null,"done":true}`, nil
	}
	return `{"value":` + s.plan.text(doc) + `,"done":false}`, nil
}

func (f *function) queryPage(args string) (string, error) {
	if f.component.Path != "" {
		return "", userErrorf("PaginationUnsupportedInComponents", "paginate() is only supported in the app. Learn more at https://docs.convex.dev/components/authoring#pagination")
	}
	answer, cursor, err := f.tx.page(f.component.Path, args, f.journal)
	if err != nil {
		return "", err
	}
	if f.paged {
		return "", userErrorf("MultiplePaginatedDatabaseQueries", "This query or mutation function ran multiple paginated queries. Convex only supports a single paginated query in each function.")
	}
	f.paged, f.cursor = true, cursor
	return answer, nil
}

func (f *function) count(args string) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("count", err)
	}
	name, _ := o.text("table")
	ref := tableRef{f.component.Path, name}
	f.tx.reads.addRange(ref, byCreationTime, everything)
	if err := f.tx.countRanges(); err != nil {
		return "", err
	}
	n := 0
	if t := f.tx.space(ref.component).table(name); t != nil && !strings.HasPrefix(name, "_") {
		n = t.byID.Len()
	}
	return strconv.Itoa(n), nil
}

func (f *function) normalizeID(args string) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("db.normalizeId", err)
	}
	name, _ := o.text("table")
	text, _ := o.text("idString")
	id, err := value.ParseID(text)
	if err == nil {
		if t := f.space().tableByNumber(id.Table); t != nil && t.name == name {
			return `{"id":"` + id.String() + `"}`, nil
		}
	}
	return `{"id":null}`, nil
}

func (f *function) space() *space {
	if f.tx != nil {
		return f.tx.space(f.component.Path)
	}
	return f.run.d.latest.Load().space(f.component.Path)
}

// target is the document that a syscall names, with its table.
func (f *function) target(o object, method string) (value.ID, *table, error) {
	text, ok := o.text("id")
	if !ok {
		return value.ID{}, nil, userErrorf("InvalidArgument", "Invalid arguments for `%s`: missing field `id`", method)
	}
	id, err := value.ParseID(text)
	if err != nil {
		return id, nil, invalidArgument("id", method, err)
	}
	t := f.tx.find(f.component.Path, id)
	if t == nil {
		return id, nil, nil
	}
	if name, ok := o.text("table"); ok && name != t.name {
		return id, nil, userErrorf("InvalidTable", "Invalid argument `id` for `%s`: expected to be an Id<\"%s\">, got Id<\"%s\"> instead.", method, name, t.name)
	}
	return id, t, nil
}

func (f *function) get(args string) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("db.get", err)
	}
	system, method := o.is("isSystem"), "db.get"
	if system {
		method = "db.system.get"
	}
	id, t, err := f.target(o, method)
	if t == nil || err != nil {
		return "null", err
	}
	switch isSystem := strings.HasPrefix(t.name, "_"); {
	case system && !isSystem:
		return "", userErrorf("SystemTableError", "User tables cannot be accessed with db.system.")
	case !system && isSystem:
		return "", userErrorf("SystemTableError", "System tables can only be accessed with db.system.")
	}
	doc, err := f.tx.get(f.component.Path, t, id)
	if doc == nil || err != nil {
		return "null", err
	}
	if system {
		return virtualText(doc), nil
	}
	return doc.json, nil
}

// writable is target for a syscall that writes.
func (f *function) writable(o object, method string) (value.ID, error) {
	id, t, err := f.target(o, method)
	if err != nil {
		return id, err
	}
	if t == nil {
		return id, userErrorf("InvalidArgument", "Invalid argument `id` for `%s`: Table for ID %q not found", method, id.String())
	}
	if strings.HasPrefix(t.name, "_") {
		return id, userErrorf("SystemTableError", "System tables can only be accessed with db.system.")
	}
	return id, nil
}

func objectArgument(o object, method string, patch bool) (value.Object, error) {
	raw := o.raw("value")
	var v value.Value
	var err error
	if patch {
		v, err = value.DecodePatch(raw)
	} else {
		v, err = value.Decode(raw)
	}
	if err != nil {
		return nil, invalidArgument("value", method, err)
	}
	fields, ok := v.(value.Object)
	if !ok {
		return nil, userErrorf("InvalidArgument", "Invalid argument `value` for `%s`: Value must be an Object", method)
	}
	return fields, nil
}

func (f *function) insert(args string) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("db.insert", err)
	}
	fields, err := objectArgument(o, "db.insert", false)
	if err != nil {
		return "", err
	}
	name, _ := o.text("table")
	id, err := f.tx.insert(f.component.Path, name, fields)
	if err != nil {
		return "", err
	}
	return `{"_id":"` + id.String() + `"}`, nil
}

func (f *function) write(args, method string, merge bool) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments(method, err)
	}
	id, err := f.writable(o, method)
	if err != nil {
		return "", err
	}
	fields, err := objectArgument(o, method, merge)
	if err != nil {
		return "", err
	}
	doc, err := f.tx.replace(f.component.Path, id, fields, merge)
	if err != nil {
		return "", err
	}
	return doc.json, nil
}

func (f *function) remove(args string) (string, error) {
	o, err := parseObject(args)
	if err != nil {
		return "", badArguments("db.delete", err)
	}
	id, err := f.writable(o, "db.delete")
	if err != nil {
		return "", err
	}
	doc, err := f.tx.remove(f.component.Path, id)
	if err != nil {
		return "", err
	}
	return doc.json, nil
}
