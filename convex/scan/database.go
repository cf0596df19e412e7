package scan

import (
	"strings"

	"strait/convex/scan/syntax"
	"strait/model/source"
)

// databaseCall evaluates a call of ctx.db.
func (e *eval) databaseCall(n, callee *syntax.Node, args []*value) *value {
	arg := func(i int) *value {
		if i < len(args) {
			return args[i]
		}
		return nothing
	}
	switch name := callee.Name; name {
	case "insert":
		e.write(source.Insert, tableOf(arg(0)), callee.Pos, arg(1))
		return idOf(tableOf(arg(0)), false)
	case "patch", "replace":
		id, data := arg(0), arg(1)
		if len(args) == 3 || id.kind == text { // the table first, as in newer Convex
			data = arg(2)
		}
		e.write(source.Op(name), tableOf(id), callee.Pos, data)
		return &value{kind: void}
	case "delete":
		e.write(source.Delete, tableOf(arg(0)), callee.Pos, nil)
		return &value{kind: void}
	case "get":
		table := tableOf(arg(0))
		q := &query{table: table, pos: callee.Pos, mod: e.mod, ended: new(bool)}
		hand := arg(0).hand
		if !hand {
			e.read(q, "get")
		}
		return &value{kind: document, s: table, shape: e.documentShape(table), maybe: true, hand: hand}
	case "query":
		q := &query{table: tableOf(arg(0)), pos: callee.Pos, mod: e.mod, ended: new(bool)}
		e.open = append(e.open, q)
		return &value{kind: querying, q: q}
	case "normalizeId":
		return &value{kind: identity, s: tableOf(arg(0)), maybe: true}
	case "table": // newer Convex: ctx.db.table("orders")
		return &value{kind: querying, q: &query{table: tableOf(arg(0)), pos: callee.Pos, mod: e.mod, ended: new(bool), ent: true}}
	}
	return nothing
}

// tableOf is the table that a name or an id tells; "" for none.
func tableOf(v *value) string {
	switch v.kind {
	case text, identity:
		return v.s
	}
	return ""
}

// contextCall evaluates ctx.table, ctx.runMutation and the like; nil for others.
func (e *eval) contextCall(n, callee *syntax.Node, sc *scope) *value {
	switch callee.Name {
	case "table": // convex-ents
		args := e.all(n.List, sc)
		if len(args) == 0 {
			return nothing
		}
		q := &query{table: tableOf(args[0]), pos: callee.Pos, mod: e.mod, ended: new(bool), ent: true}
		if len(args) > 1 && args[1].kind == text {
			q.index = args[1].s
			q.bounded = len(n.List) > 2 && hasBound(n.List[2])
		}
		e.open = append(e.open, q)
		return &value{kind: querying, q: q}
	case "runMutation", "runAction":
		args := e.all(n.List, sc)
		if e.sink != nil && e.sink.body != nil {
			e.sink.body.Open = true
		}
		return derive(nil, args...)
	}
	return nil
}

// queryCall evaluates a method of a query.
func (e *eval) queryCall(q *query, callee, n *syntax.Node, sc *scope) *value {
	args := e.all(n.List, sc)
	next := *q
	more := &value{kind: querying, q: &next}
	arg := nothing
	if len(args) > 0 {
		arg = args[0]
	}
	switch name := callee.Name; name {
	case "withIndex", "withSearchIndex":
		next.index = tableOf(arg)
		next.bounded = name == "withSearchIndex" || len(n.List) > 1 && hasBound(n.List[1])
		e.callbacks(args)
		return more
	case "filter", "filterWith":
		next.sieve = true
		e.callbacks(args)
		return more
	case "order", "fullTableScan", "search", "limit":
		e.callbacks(args)
		return more
	case "collect", "take", "first", "unique", "paginate", "count":
		return e.end(&next, name)
	case "firstX", "uniqueX":
		return e.end(&next, strings.TrimSuffix(name, "X"))
	}
	if !q.ent {
		e.callbacks(args)
		return nothing
	}
	switch name := callee.Name; name {
	case "get", "getX":
		next.single = true
		if len(args) > 1 {
			next.index, next.bounded = tableOf(arg), true
			return more
		}
		return more
	case "getMany", "getManyX":
		return e.end(&next, "get")
	case "insert":
		*q.ended = true
		e.write(source.Insert, q.table, callee.Pos, arg)
		return &value{kind: identity, s: q.table}
	case "insertMany":
		*q.ended = true
		e.write(source.Insert, q.table, callee.Pos, element(arg))
		return nothing
	case "patch", "replace", "delete":
		if q.single {
			e.end(&next, "get")
			return e.entWrite(source.Op(name), q.table, callee.Pos, args)
		}
	case "map":
		rows := e.end(&next, "collect")
		return &value{kind: list, elem: e.callback(arg, rows.elem)}
	case "edge", "edgeX":
		if q.single {
			e.end(&next, "get")
		}
	}
	*q.ended = true
	return nothing
}

func (e *eval) entWrite(op source.Op, table string, pos int32, args []*value) *value {
	data := nothing
	if len(args) > 0 {
		data = args[0]
	}
	e.write(op, table, pos, data)
	return &value{kind: document, s: table, ent: true, shape: e.documentShape(table)}
}

// hasBound reports whether an index range has a condition.
func hasBound(n *syntax.Node) (found bool) {
	if n.Kind != syntax.Func {
		return true // not told: nobody shall be warned
	}
	syntax.Walk(n, func(n *syntax.Node) bool {
		if n.Kind == syntax.Call && n.A.Kind == syntax.Member {
			switch n.A.Name {
			case "eq", "gt", "gte", "lt", "lte":
				found = true
			}
		}
		return !found
	})
	return found
}

// row is one document of a query.
func (e *eval) row(q *query) *value {
	return &value{kind: document, s: q.table, shape: e.documentShape(q.table), ent: q.ent, hand: q.hand || e.table != "" && e.table == q.table}
}

// end is what a query answers with; it tells the read.
func (e *eval) end(q *query, how string) *value {
	*q.ended = true
	if how == "first" && q.single {
		how = "get"
	}
	e.read(q, how)
	for _, other := range q.alts {
		*other.ended = true
		e.read(other, how)
	}
	row := e.row(q)
	switch how {
	case "collect", "take", "each":
		return &value{kind: list, elem: row, sieve: q.sieve}
	case "paginate":
		return &value{kind: page, elem: row, sieve: q.sieve}
	case "count":
		return known(aNumber)
	}
	if q.single && q.index == "" && how == "get" {
		return row
	}
	row.maybe = true
	return row
}

// read tells of a read.
func (e *eval) read(q *query, how string) {
	if e.sink == nil {
		return
	}
	mod := e.mod
	e.mod = q.mod
	isNew := e.first(q.pos, "read", q.table+" "+how)
	e.mod = mod
	if !isNew {
		return
	}
	r := source.Read{Site: q.mod.site(q.pos), Function: e.name, Table: q.table, Index: q.index, Bounded: q.bounded, End: how}
	switch {
	case e.sink.body != nil:
		e.sink.body.Reads = append(e.sink.body.Reads, r)
	case e.sink.reads != nil:
		*e.sink.reads = append(*e.sink.reads, r)
	}
}

// write tells of a write.
func (e *eval) write(op source.Op, table string, pos int32, data *value) {
	if e.sink == nil || !e.first(pos, "write", table) {
		return
	}
	w := source.Write{Site: e.mod.site(pos), Function: e.name, Op: op, Table: table, Guarded: e.guard > 0}
	if op != source.Delete {
		w.Fields, w.Open = written(data)
	}
	switch {
	case e.sink.body != nil:
		e.sink.body.Writes = append(e.sink.body.Writes, w)
	case e.sink.writes != nil:
		*e.sink.writes = append(*e.sink.writes, w)
	}
}

// schedule evaluates ctx.scheduler.runAfter and runAt.
func (e *eval) schedule(n, callee *syntax.Node, args []*value) *value {
	if callee.Name != "runAfter" && callee.Name != "runAt" {
		return nothing
	}
	if e.sink != nil && e.sink.body != nil {
		e.sink.body.Schedules = true
	}
	if len(args) > 1 {
		e.job(source.Job{Function: e.name, Calls: calls(args[1])}, callee.Pos)
	}
	return nothing
}

// job tells of a call that the deployment makes by itself.
func (e *eval) job(j source.Job, pos int32) {
	if e.sink == nil || e.sink.jobs == nil || !e.first(pos, "job", j.Calls+j.Cron) {
		return
	}
	j.Site = e.mod.site(pos)
	*e.sink.jobs = append(*e.sink.jobs, j)
}

// calls names the function that a reference leads to; "" when the text does
// not tell.
func calls(v *value) string {
	switch v.kind {
	case text:
		return v.s
	case reference:
		root, rest, _ := strings.Cut(v.s, ".")
		if root == "components" {
			return v.s
		}
		parts := strings.Split(rest, ".")
		last := len(parts) - 1
		if last < 1 {
			return ""
		}
		return strings.Join(parts[:last], "/") + ":" + parts[last]
	}
	return ""
}

// cron evaluates crons.interval and the like.
func (e *eval) cron(n, callee *syntax.Node, args []*value) *value {
	switch callee.Name {
	case "interval", "hourly", "daily", "weekly", "monthly", "cron":
		if len(args) >= 3 {
			e.job(source.Job{Cron: tableOf(args[0]), Calls: calls(args[2])}, callee.Pos)
		}
	}
	return nothing
}

// crons reads what a module schedules at its top.
func (s *scanner) crons(m *module) {
	found := false
	for _, b := range m.bindings {
		found = found || b.from == "convex/server" && b.name == "cronJobs"
	}
	if !found {
		return
	}
	e := s.eval(m)
	e.sink = &sink{jobs: &s.facts.Jobs}
	s.guarded(m, func() {
		for _, n := range m.tree.List {
			switch n.Kind {
			case syntax.Expr, syntax.If, syntax.ForIn, syntax.Block:
				e.statement(n, m.scope.inner())
			}
		}
	})
}
