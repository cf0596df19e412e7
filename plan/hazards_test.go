package plan

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"strait/model/schema"
	"strait/model/source"
)

// reviewed are the hazards of an input, by what a rule says of it.
func reviewed(in Input) []Hazard { return hazards(in, Make(in)) }

// of are the findings of one rule as "severity env: what".
func of(code string, hs []Hazard) []string {
	var out []string
	for _, h := range hs {
		if h.Code == code {
			out = append(out, fmt.Sprintf("%s %s: %s", h.Severity, h.Env, h.What))
		}
	}
	return out
}

// expect wants the findings of one rule to be exactly these.
func expect(t *testing.T, code string, in Input, want ...string) {
	t.Helper()
	if got := of(code, reviewed(in)); !slices.Equal(got, want) {
		t.Errorf("%s:\n got  %s\n want %s", code, strings.Join(got, "\n      "), strings.Join(want, "\n      "))
	}
}

// prod is evidence of a protected environment.
func prod(active *schema.Schema, tables map[string]int64) Evidence {
	ev := Evidence{Env: "prod", Now: noon, Reachable: true, Active: active, ActiveKnown: true, Protected: true, Tables: tables, Progress: map[string]Progress{}}
	for _, d := range []string{"m:set", "m:drop", "m:one"} {
		ev.Progress[d] = Progress{Deployed: true}
	}
	return ev
}

func dev(active *schema.Schema, tables map[string]int64) Evidence {
	ev := prod(active, tables)
	ev.Env, ev.Protected = "dev", false
	return ev
}

func holds(table string, n int64) map[string]int64 { return map[string]int64{table: n} }

// migration is a definition of the component with its body.
func migration(name, table, text string, body source.Body) (Definition, *source.Facts) {
	body.Table = table
	if body.File == "" {
		body.Site = source.Site{File: "convex/m.ts", Line: 3}
	}
	return Definition{Name: name, Table: table, Driver: "component", BatchSize: 100, Source: text},
		&source.Facts{Migrations: map[string]*source.Body{name: &body}}
}

// oneOn is an input without a change of schema: users with one migration.
func oneOn(text string, body source.Body) Input {
	s := schemaOf(table("users", object(req("name", str()), opt("price", num()), opt("role", str()))),
		table("logs", object(req("text", str()))), table("counters", object(req("n", num())), index("by_key", "n")))
	d, code := migration("m:one", "users", text, body)
	return Input{Target: s, Definitions: []Definition{d}, Code: code,
		Envs: []Evidence{prod(s, map[string]int64{"users": 2000, "logs": 50_000, "counters": 40})}}
}

func returned(fs ...source.Field) source.Write {
	return source.Write{Op: source.Patch, Table: "users", Fields: fs, Returned: true}
}

func TestRules(t *testing.T) {
	form := regexp.MustCompile(`^SW[1-49]\d\d$`)
	seen := map[string]bool{}
	for _, r := range Rules() {
		if !form.MatchString(r.Code) || seen[r.Code] || seen[r.Name] || r.Severity.rank() < 0 {
			t.Errorf("%s %s %s", r.Code, r.Name, r.Severity)
		}
		seen[r.Code], seen[r.Name] = true, true
		for _, text := range []string{r.Why, r.Safe} {
			if len(text) < 20 || !strings.HasSuffix(text, ".") || strings.Contains(text, "  ") {
				t.Errorf("%s: %q", r.Code, text)
			}
		}
	}
	if !slices.IsSortedFunc(Rules(), func(a, b Rule) int { return strings.Compare(a.Code, b.Code) }) {
		t.Error("not by code")
	}
}

func TestRequiredBeforeMigrated(t *testing.T) {
	target := users(req("name", str()), req("plan", str()), req("age", num()))
	old := users(req("name", str()), opt("age", num()))
	in := Input{Target: target, Envs: []Evidence{dev(target, holds("users", 5)), prod(old, holds("users", 2000))}}
	expect(t, "SW101", in, "danger prod: prod would refuse the target: users.age becomes required and users.plan becomes required, with 2,000 documents in users not migrated")

	in.Envs[0].Active = old
	expect(t, "SW101", in, "danger : dev and prod would refuse the target: users.age becomes required and users.plan becomes required, with 2,005 documents in users not migrated")
	in.Envs = in.Envs[:1]
	expect(t, "SW101", in, "warning dev: dev would refuse the target: users.age becomes required and users.plan becomes required, with 5 documents in users not migrated")

	for title, ev := range map[string]Evidence{
		"widened":      prod(schema.WidenSchemas(old, target), holds("users", 2000)),
		"no documents": prod(old, holds("users", 0)),
		"counted zero": counted(prod(old, holds("users", 100)), census(target, 0)),
		"done":         prod(target, holds("users", 2000)),
		"away":         {Env: "prod", Now: noon, Protected: true},
	} {
		in.Envs = []Evidence{ev}
		if got := of("SW101", reviewed(in)); len(got) > 0 {
			t.Errorf("%s: %v", title, got)
		}
	}
}

func TestTypeChangedInPlace(t *testing.T) {
	old, target := users(req("age", str()), req("role", lit("a"))), users(req("age", num()), req("role", lit("b")))
	in := Input{Target: target, Envs: []Evidence{prod(old, holds("users", 7))}}
	got := of("SW102", reviewed(in))
	if len(got) == 0 || !strings.HasPrefix(got[0], "warning prod: users.age") || !strings.HasSuffix(got[0], "in place, in prod (7 documents)") {
		t.Errorf("got %v", got)
	}
	in.Target = users(req("age", union(str(), num())), req("role", lit("a")))
	expect(t, "SW102", in)
}

func TestFieldDeleted(t *testing.T) {
	target := users(req("name", str()))
	in := Input{Target: target, Envs: []Evidence{prod(users(req("name", str()), req("old", num())), holds("users", 7))}}
	expect(t, "SW103", in, "danger prod: users.old is removed while it is still required in prod (7 documents)")
	in.Envs = []Evidence{prod(users(req("name", str()), opt("old", num())), holds("users", 7))}
	expect(t, "SW103", in) // no-migration tells
	d, code := migration("m:drop", "users", "", source.Body{Writes: []source.Write{returned(source.Field{Name: "old", Unset: true})}})
	in.Definitions, in.Code = []Definition{d}, code
	expect(t, "SW103", in, "notice prod: users.old is removed: what prod (7 documents) holds in it is lost unless a migration moves it")
	in.Envs[0].Census = census(target, 0)
	expect(t, "SW103", in)
	in.Envs[0].Census = nil
	code.Migrations["m:drop"].Writes = append(code.Migrations["m:drop"].Writes, source.Write{Op: source.Insert, Table: "logs", Fields: []source.Field{{Name: "text", From: []string{"old"}}}})
	expect(t, "SW103", in) // what it holds lives on
}

func TestTableRemoved(t *testing.T) {
	old := pair(object(req("name", str())), object(req("user", id("users"))))
	target := schemaOf(table("orders", object(req("user", id("users")))))
	in := Input{Target: target, Envs: []Evidence{prod(old, map[string]int64{"users": 9, "orders": 1})}}
	expect(t, "SW104", in, "warning prod: table users leaves the schema with its documents: prod (9 documents)")
	expect(t, "SW106", in, "warning prod: table users leaves the schema while orders.user still points to it")
	in.Code = &source.Facts{Reads: []source.Read{{Site: source.Site{File: "convex/a.ts", Line: 4}, Function: "a:list", Table: "users", End: "collect"}}}
	expect(t, "SW303", in, "warning prod: table users leaves the schema, and a:list still reads it")

	in.Envs[0].Tables["users"] = 0
	in.Code.Reads[0].Table = "orders"
	expect(t, "SW104", in)
	expect(t, "SW303", in)
	in.Target = schemaOf(table("orders", object(req("user", str()))))
	expect(t, "SW106", in)
}

func TestIDTargetChanged(t *testing.T) {
	old, target := pair(object(req("a", id("orders"))), object()), pair(object(req("a", id("users"))), object())
	in := Input{Target: target, Envs: []Evidence{prod(old, holds("users", 3))}}
	if got := of("SW105", reviewed(in)); len(got) != 1 || !strings.Contains(got[0], "users.a") {
		t.Errorf("got %v", got)
	}
	in.Envs[0].Active = target
	expect(t, "SW105", in)
}

func TestValidationOff(t *testing.T) {
	on := users(req("name", str()))
	off := &schema.Schema{Tables: on.Tables}
	in := Input{Target: off, Envs: []Evidence{prod(on, nil)}}
	expect(t, "SW107", in, "danger prod: the target switches schemaValidation off, which prod still has on")
	in.Target, in.Envs[0].Active = on, off
	expect(t, "SW107", in, "warning prod: prod has schemaValidation switched off: documents of any shape may be stored")
	in.Target = off
	expect(t, "SW107", in, "warning : the target has schemaValidation switched off, as prod has it")
	in.Target, in.Envs[0].Active = on, on
	expect(t, "SW107", in)
}

func TestLargeIndexes(t *testing.T) {
	doc := object(req("name", str()))
	bareTable, indexed := schemaOf(table("users", doc)), schemaOf(table("users", doc, index("by_name", "name")))
	in := Input{Target: indexed, Envs: []Evidence{prod(bareTable, holds("users", 200_000))}}
	expect(t, "SW108", in, "notice prod: index users.by_name is built while the deploy waits, over prod (200,000 documents)")
	expect(t, "SW109", in)
	in.Target, in.Envs[0].Active = bareTable, indexed
	expect(t, "SW109", in, "warning prod: index users.by_name is removed, over prod (200,000 documents)")
	in.Code = &source.Facts{Reads: []source.Read{{Site: source.Site{File: "convex/a.ts", Line: 4}, Function: "a:list", Table: "users", Index: "by_name", End: "take"}}}
	expect(t, "SW302", in, "danger prod: a:list queries users through by_name, which the target removes")
	in.Envs[0].Tables = holds("users", 99_999)
	expect(t, "SW109", in)
	in.Target, in.Envs[0].Active = schemaOf(table("users", doc, staged(index("by_name", "name")))), bareTable
	in.Envs[0].Tables = holds("users", 200_000)
	expect(t, "SW108", in)
	expect(t, "SW302", in)
}

func TestNoMigration(t *testing.T) {
	target := users(req("name", str()), req("plan", str()))
	old := users(req("name", str()))
	in := Input{Target: target, Envs: []Evidence{prod(old, holds("users", 4))}}
	expect(t, "SW110", in, "warning prod: users.plan becomes required, and no migration works on it, in prod (4 documents)")
	d, code := migration("m:set", "users", "", source.Body{Writes: []source.Write{returned(source.Field{Name: "plan", Value: lit("x")})}})
	in.Definitions, in.Code = []Definition{d}, code
	expect(t, "SW110", in)
	in.Definitions, in.Code = nil, nil
	in.Envs[0].Tables = holds("users", 0)
	expect(t, "SW110", in)
}

func TestCollectInMigration(t *testing.T) {
	all := func(table string) source.Body {
		return source.Body{Reads: []source.Read{{Table: table, End: "collect"}}}
	}
	expect(t, "SW201", oneOn("", all("logs")), "danger prod: one reads all of logs for every document: 50,000 documents in prod, where one transaction may have 32,000 read")
	in := oneOn("", all("logs"))
	in.Envs[0].Tables["logs"] = 9000
	expect(t, "SW201", in, "warning prod: one reads all of logs for every document: 9,000 documents × a batch of 100 in prod may pass the limit of 32,000 read")
	in.Envs[0].Tables["logs"] = 200
	expect(t, "SW201", in, "notice prod: one reads all of logs for every document: 200 documents in prod; the limit is 32,000 read")
	in.Definitions[0].Driver = "oneshot"
	expect(t, "SW201", in)
	in.Envs[0].Tables["logs"] = 20_000
	expect(t, "SW201", in, "notice prod: one reads all of logs at once: 20,000 documents in prod; the limit is 32,000 read")
	in.Code.Migrations["m:one"].Writes = []source.Write{{Op: source.Patch, Table: "logs"}}
	expect(t, "SW201", in, "danger prod: one reads all of logs at once: 20,000 documents in prod, where one transaction may have 16,000 written")
	in.Code.Migrations["m:one"].Writes = nil
	in.Envs[0].Sizes = map[string]Size{"logs": {Sampled: 10, Mean: 4096, Largest: 9000}}
	expect(t, "SW201", in, "danger prod: one reads all of logs at once: about 78.1 MiB in prod, where one transaction may read 16 MiB")
	expect(t, "SW201", oneOn("for await (const x of q) { if (n > 9) { return { n }; } }", source.Body{Reads: []source.Read{{Table: "logs", End: "each"}}}))
	in.Definitions[0].Source, in.Code.Migrations["m:one"].Reads[0].End = "for await (const x of ctx.db.query('logs')) { f(x, [1]); n++; }\nreturn n", "each"
	in.Code.Migrations["m:one"].Writes, in.Envs[0].Sizes = []source.Write{{Op: source.Patch, Table: "logs", Guarded: true}}, nil
	expect(t, "SW201", in, "notice prod: one reads all of logs at once: 20,000 documents in prod; the limit is 32,000 read")
	for _, r := range []source.Read{{Table: "logs", End: "take"}, {Table: "logs", End: "paginate"}, {Table: "logs", Index: "by_x", Bounded: true, End: "collect"}, {End: "collect"}} {
		expect(t, "SW201", oneOn("", source.Body{Reads: []source.Read{r}}))
	}
}

func TestNotIdempotent(t *testing.T) {
	price := returned(source.Field{Name: "price", From: []string{"price"}, Value: anyV()})
	body := source.Body{Writes: []source.Write{price}}
	expect(t, "SW202", oneOn("(_, doc) => ({ price: doc.price * 100 })", body), "danger prod: one computes users.price from itself without a condition")
	expect(t, "SW202", oneOn("(_, doc) => ({ price: toCents(doc.price) })", body), "notice prod: one converts users.price in place without a condition")
	for _, harmless := range []string{"({ price: doc.price ?? 0 })", "({ price: Math.round(doc.price) })", "({ price: doc.price ? doc.price * 2 : 1 })", ""} {
		expect(t, "SW202", oneOn("(_, doc) => "+harmless, body))
	}
	guarded := price
	guarded.Guarded = true
	expect(t, "SW202", oneOn("({ price: doc.price * 100 })", source.Body{Writes: []source.Write{guarded}}))

	insert := source.Write{Op: source.Insert, Table: "logs"}
	expect(t, "SW202", oneOn("", source.Body{Writes: []source.Write{insert}}), "danger prod: one inserts into logs for every document, without a look whether it is there")
	expect(t, "SW202", oneOn("", source.Body{Writes: []source.Write{insert, {Op: source.Delete, Table: "users"}}}))
	in := oneOn("", source.Body{Writes: []source.Write{insert}})
	in.Definitions[0].Driver = "oneshot"
	expect(t, "SW202", in)

	constant := returned(source.Field{Name: "role", Value: lit("member")})
	expect(t, "SW202", oneOn("", source.Body{Writes: []source.Write{constant}}), "notice prod: one patches every document of users, also those that fit")
	expect(t, "SW202", oneOn("", source.Body{RangeIndex: "by_role", Writes: []source.Write{constant}}))
	expect(t, "SW202", oneOn("", source.Body{Writes: []source.Write{returned(source.Field{Name: "role", Unset: true})}}))
}

func TestOverwritesLiveValues(t *testing.T) {
	in := oneOn("", source.Body{Writes: []source.Write{returned(source.Field{Name: "role", Value: lit("member")})}})
	in.Code.Writes = []source.Write{{Site: source.Site{File: "convex/users.ts", Line: 8}, Function: "users:setRole", Op: source.Patch, Table: "users", Fields: []source.Field{{Name: "role", Value: anyV()}}}}
	expect(t, "SW203", in, "warning prod: one sets users.role whatever it holds, and users:setRole sets it too (convex/users.ts:8)")
	in.Code.Writes[0].Fields[0].Value = lit("member")
	expect(t, "SW203", in)
	in.Code.Writes[0].Fields[0].Value = anyV()
	in.Code.Migrations["m:one"].Writes[0].Guarded = true
	expect(t, "SW203", in)
}

func TestMigrationMisfitsTarget(t *testing.T) {
	in := oneOn("", source.Body{Writes: []source.Write{returned(source.Field{Name: "name", Unset: true})}})
	expect(t, "SW213", in, "warning prod: one patches users and unsets name, which the target requires")
	in.Code.Migrations["m:one"].Writes = []source.Write{{Op: source.Insert, Table: "logs"}}
	expect(t, "SW213", in, "warning prod: one inserts into logs without text, which the target requires")
	for _, x := range []source.Write{
		returned(source.Field{Name: "role", Unset: true}), returned(source.Field{Name: "gone", Unset: true}), returned(source.Field{Name: "name", Value: str()}),
		{Op: source.Insert, Table: "logs", Open: true}, {Op: source.Insert, Table: "elsewhere"}, {Op: source.Delete, Table: "users"},
	} {
		in.Code.Migrations["m:one"].Writes = []source.Write{x}
		expect(t, "SW213", in)
	}
}

func TestDeletesEveryDocument(t *testing.T) {
	del := source.Write{Op: source.Delete, Table: "users"}
	in := oneOn("", source.Body{Writes: []source.Write{del}})
	expect(t, "SW204", in, "danger prod: one deletes every document of users, a table that the target keeps: prod (2,000 documents)")
	in.Target = schemaOf(in.Target.Tables[1:]...)
	expect(t, "SW204", in)
	del.Guarded = true
	expect(t, "SW204", oneOn("", source.Body{Writes: []source.Write{del}}))
}

func TestParallelizeShared(t *testing.T) {
	body := source.Body{Reads: []source.Read{{Table: "counters", Index: "by_key", Bounded: true, End: "unique"}},
		Writes: []source.Write{{Op: source.Patch, Table: "counters", Fields: []source.Field{{Name: "n", Value: anyV()}}}}}
	in := oneOn("", body)
	expect(t, "SW205", in)
	in.Definitions[0].Parallelize = true
	expect(t, "SW205", in, "warning prod: one runs in parallel and changes documents of counters that it reads first")
	in.Code.Migrations["m:one"].Writes[0].Op = source.Insert
	expect(t, "SW205", in, "notice prod: one runs in parallel and inserts into counters after a look whether it is there")
	in.Code.Migrations["m:one"].Reads = nil
	expect(t, "SW205", in)
}

func TestSeriesOrder(t *testing.T) {
	target := users(req("name", str()), req("plan", str()))
	old := users(req("name", str()), opt("admin", boo()))
	set, code := migration("m:set", "users", "", source.Body{Writes: []source.Write{returned(source.Field{Name: "plan", Value: anyV(), From: []string{"admin"}})}})
	drop, more := migration("m:drop", "users", "", source.Body{Writes: []source.Write{returned(source.Field{Name: "admin", Unset: true})}})
	code.Migrations["m:drop"] = more.Migrations["m:drop"]
	in := Input{Target: target, Code: code, Envs: []Evidence{prod(old, holds("users", 5))},
		Definitions: []Definition{set, drop, {Name: "m:all", Runner: true, Series: []string{"m:drop", "m:set"}}}}
	expect(t, "SW206", in, "danger prod: all runs drop, which removes users.admin, before set, which reads it")
	in.Definitions[2].Series = []string{"m:set", "m:drop"}
	expect(t, "SW206", in)

	code.Migrations["m:drop"].Writes = []source.Write{returned(source.Field{Name: "name", Value: anyV(), From: []string{"plan"}})}
	in.Definitions[2].Series = []string{"m:drop", "m:set"}
	expect(t, "SW206", in, "warning prod: all runs drop, which reads users.plan, before set, which fills it")
}

func TestIndexNotUsable(t *testing.T) {
	in := oneOn("", source.Body{Reads: []source.Read{{Table: "counters", Index: "by_key", Bounded: true, End: "unique"}, {Table: "counters", Index: "by_creation_time", End: "first"}}})
	expect(t, "SW207", in)
	with := in.Target
	without := schemaOf(with.Tables[0], with.Tables[1], table("counters", with.Tables[2].Document))
	in.Target = without
	expect(t, "SW207", in, "warning prod: one uses index counters.by_key, which the target has not: it fails once the target is deployed to prod")
	in.Target, in.Envs[0].Active = with, without
	expect(t, "SW207", in, "notice prod: one uses index counters.by_key, which is not deployed in prod")
	in.Target = schemaOf(with.Tables[0], with.Tables[1], table("counters", with.Tables[2].Document, staged(index("by_key", "n"))))
	expect(t, "SW207", in, "warning prod: one uses index counters.by_key, which the target only stages")
}

func TestTextRules(t *testing.T) {
	expect(t, "SW208", oneOn("", source.Body{Clock: true, Writes: []source.Write{returned(source.Field{Name: "role", Value: anyV()})}}), "notice prod: one reads the clock or random numbers, and writes whatever the document holds")
	expect(t, "SW208", oneOn("", source.Body{Writes: []source.Write{returned(source.Field{Name: "role", Value: anyV()})}}))
	expect(t, "SW208", oneOn("", source.Body{Clock: true, Writes: []source.Write{{Op: source.Patch, Table: "users", Guarded: true}}}))
	in := oneOn("", source.Body{Schedules: true})
	expect(t, "SW209", in, "notice prod: one schedules functions for its documents")
	in.Definitions[0].Driver = "oneshot"
	expect(t, "SW209", in)

	const get = "async (ctx, doc) => { const team = await ctx.db.get(doc.teamId); return { name: team%s.name }; }"
	expect(t, "SW210", oneOn(fmt.Sprintf(get, "!"), source.Body{}), "warning prod: one takes a document that it gets by id to be there (!)")
	expect(t, "SW210", oneOn(fmt.Sprintf(get, "?"), source.Body{}))
	expect(t, "SW210", oneOn("const id = await ctx.db.insert('tags', {}); tag = (await ctx.db.get(id))!;", source.Body{}))
	expect(t, "SW210", oneOn("tag = (await ctx.db.get('tags', doc.tag))!;", source.Body{}), "warning prod: one takes a document that it gets by id to be there (!)")
	expect(t, "SW210", oneOn("if ((await ctx.db.get(doc.userId)) !== null) return;", source.Body{}))
	expect(t, "SW210", oneOn("const team = await ctx.db.get(x); if (team !== null) return; // team!.x", source.Body{}))

	hand := oneOn("export const one = mutation({ handler: async (ctx) => {} })", source.Body{})
	hand.Definitions[0].Driver, hand.Definitions[0].Public = "oneshot", true
	expect(t, "SW211", hand, "warning prod: one is a public mutation")
	hand.Definitions[0].Public = false
	expect(t, "SW211", hand)
	expect(t, "SW212", hand)
	hand.Definitions[0].Action = true
	expect(t, "SW212", hand, "notice prod: one is an action that calls mutations")
}

func TestOldShapeWriter(t *testing.T) {
	target := users(req("name", str()), req("role", union(lit("a"), lit("b"))))
	old := users(req("name", str()), opt("role", str()), opt("admin", boo()))
	write := func(op source.Op, open bool, fs ...source.Field) Input {
		return Input{Target: target, Envs: []Evidence{prod(old, holds("users", 5))}, Code: &source.Facts{Writes: []source.Write{{
			Site: source.Site{File: "convex/users.ts", Line: 12}, Function: "users:add", Op: op, Table: "users", Fields: fs, Open: open}}}}
	}
	name, role := source.Field{Name: "name", Value: str()}, source.Field{Name: "role", Value: lit("a")}
	expect(t, "SW301", write(source.Insert, false, name), "danger prod: users:add inserts into users without role, which the target requires")
	expect(t, "SW301", write(source.Insert, false, name, role, source.Field{Name: "admin", Value: boo()}), "danger prod: users:add inserts into users with admin, which the target has no longer")
	expect(t, "SW301", write(source.Patch, false, source.Field{Name: "role", Value: lit("c")}), `danger prod: users:add patches users with role: v.literal("c"), where the target wants v.union(v.literal("a"), v.literal("b"))`)
	expect(t, "SW301", write(source.Patch, false, source.Field{Name: "role", Unset: true}), "danger prod: users:add patches users and unsets role, which the target requires")
	for title, in := range map[string]Input{
		"open":                 write(source.Insert, true, name),
		"fits":                 write(source.Replace, false, name, role),
		"any":                  write(source.Patch, false, source.Field{Name: "role", Value: anyV()}),
		"may fit":              write(source.Patch, false, source.Field{Name: "role", Value: str()}),
		"unset what goes":      write(source.Patch, false, source.Field{Name: "admin", Unset: true}),
		"unchanged field":      write(source.Patch, false, source.Field{Name: "name", Unset: true}),
		"maybe absent":         write(source.Insert, false, name, source.Field{Name: "role", Value: lit("a"), Maybe: true}),
		"delete":               write(source.Delete, false),
		"nothing is known yet": {Target: target, Code: write(source.Insert, false, name).Code},
	} {
		if got := of("SW301", reviewed(in)); len(got) > 0 {
			t.Errorf("%s: %v", title, got)
		}
	}
	done := write(source.Insert, false, name)
	done.Envs[0].Active = target
	expect(t, "SW301", done)
}

func TestOldShapeWriterOfUnions(t *testing.T) {
	target := schemaOf(table("users", union(object(req("kind", lit("a")), req("x", str())), object(req("kind", lit("b"))))))
	old := schemaOf(table("users", union(object(req("kind", lit("a"))), object(req("kind", lit("b"))))))
	in := Input{Target: target, Envs: []Evidence{prod(old, holds("users", 5))}, Code: &source.Facts{Writes: []source.Write{{
		Op: source.Insert, Table: "users", Fields: []source.Field{{Name: "kind", Value: lit("a")}}}}}}
	expect(t, "SW301", in, "danger prod: a helper inserts into users a document that fits none of its shapes")
	in.Code.Writes[0].Fields[0].Value = lit("b")
	expect(t, "SW301", in)
}

func TestTwoOnOneTable(t *testing.T) {
	in := Input{Target: newUsers(), Definitions: userDefs, Envs: []Evidence{
		evidence("dev", oldUsers()).with("migrations:setRole", Progress{State: "inProgress"}).with("migrations:dropAdmin", Progress{State: "inProgress"})}}
	expect(t, "SW401", in, "warning dev: setRole and dropAdmin are running on users at once in dev")
	expect(t, "SW405", in,
		"warning dev: dropAdmin is running in dev, where the active schema does not accept the new shape of users",
		"warning dev: setRole is running in dev, where the active schema does not accept the new shape of users")
	in.Envs[0].Active = schema.WidenSchemas(oldUsers(), newUsers())
	in.Envs[0].Progress["migrations:dropAdmin"] = Progress{State: "success", Done: true}
	expect(t, "SW401", in)
	expect(t, "SW405", in)
}

func TestCronDriven(t *testing.T) {
	in := oneOn("", source.Body{})
	in.Code.Jobs = []source.Job{
		{Cron: "nightly", Calls: "m:one"}, {Cron: "sweep", Calls: "sessions:sweep"},
		{Function: "m:one", Calls: "m:one"}, {Function: "admin:start", Calls: "m:one"},
	}
	expect(t, "SW402", in, `warning prod: cron "nightly" calls m:one`, "notice prod: admin:start schedules m:one")
	in.Code.Jobs = in.Code.Jobs[1:3]
	expect(t, "SW402", in)
}

func TestBatchTooLarge(t *testing.T) {
	in := oneOn("", source.Body{Writes: []source.Write{returned(source.Field{Name: "role", Value: anyV(), From: []string{"name"}})}})
	in.Envs[0].Sizes = map[string]Size{"users": {Sampled: 10, Mean: 200 << 10, Largest: 1 << 20}}
	expect(t, "SW403", in, "warning prod: a batch of 100 documents of users reads about 39.1 MiB in prod, and the limit is 16 MiB")
	if h := reviewed(in); !strings.Contains(h[0].Safe, "batchSize: 20 ") {
		t.Errorf("safe: %s", h[0].Safe)
	}
	in.Envs[0].Sizes["users"] = Size{Sampled: 10, Mean: 70 << 10}
	expect(t, "SW403", in, "notice prod: a batch of 100 documents of users reads about 13.7 MiB in prod, and the limit is 16 MiB")
	in.Envs[0].Tables["users"] = 20
	expect(t, "SW403", in)
	in.Envs[0].Tables["users"], in.Envs[0].Sizes = 200_000, nil
	expect(t, "SW403", in)
	in.Definitions[0].BatchSize = 3000
	in.Code.Migrations["m:one"].Reads = []source.Read{{Table: "counters", Index: "by_key", Bounded: true, End: "unique"}, {Table: "counters", End: "get"}}
	expect(t, "SW403", in, "warning prod: a batch of 3,000 documents of users makes about 6,000 queries in prod, and the limit is 4,096 queries")
}

func TestDefinitionMissing(t *testing.T) {
	in := oneOn("", source.Body{})
	in.Envs[0].Progress["m:gone"] = Progress{State: "inProgress"}
	expect(t, "SW404", in, "danger prod: m:gone is running in prod, and the project has no such migration")
	in.Envs[0].Progress["m:gone"] = Progress{State: "failed"}
	expect(t, "SW404", in)
}

// What is done everywhere is no hazard any more.
func TestFinishedMigrationsVanish(t *testing.T) {
	in := oneOn("({ price: doc.price * 100 })", source.Body{Clock: true, Writes: []source.Write{returned(source.Field{Name: "price", From: []string{"price"}})}})
	if len(reviewed(in)) != 2 {
		t.Fatalf("got %v", reviewed(in))
	}
	in.Envs[0].Progress["m:one"] = Progress{Deployed: true, State: "success", Done: true, Ended: noon}
	if got := reviewed(in); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

func TestWorstFirst(t *testing.T) {
	target := users(req("name", str()), req("plan", str()))
	in := Input{Target: target, Envs: []Evidence{prod(users(req("name", str()), opt("old", str())), holds("users", 5))}}
	var got []string
	in.Waivers = []Waiver{{Code: "SW101", Reason: "we know"}}
	for _, h := range reviewed(in) {
		got = append(got, fmt.Sprintf("%s %s %s", h.Severity, h.Code, h.Waived))
	}
	want := []string{"warning SW110 ", "warning SW110 ", "danger SW101 we know"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestWaivers(t *testing.T) {
	target := users(req("name", str()), req("plan", str()))
	in := Input{Target: target, Code: &source.Facts{}, Envs: []Evidence{prod(users(req("name", str())), holds("users", 5))}}
	for _, c := range []struct {
		waiver Waiver
		waived bool
		told   string // codes of notices
	}{
		{Waiver{Code: "SW101", Reason: "r"}, true, ""},
		{Waiver{Code: "sw101", Table: "users", Path: "users.plan", Env: "prod", Reason: "r"}, true, ""},
		{Waiver{Code: "SW101", Path: "users.pla", Reason: "r"}, false, "SW902"},
		{Waiver{Code: "SW101", Table: "orders", Reason: "r"}, false, "SW902"},
		{Waiver{Code: "SW101", Env: "dev", Reason: "r"}, false, "SW902"},
		{Waiver{Code: "SW101", File: "convex/a.ts", Reason: "r"}, false, "SW902"},
		{Waiver{Code: "SW999", Reason: "r"}, false, "SW902"},
		{Waiver{Code: "SW101", Reason: "r", Until: noon.Add(-time.Minute)}, false, "SW901"},
		{Waiver{Code: "SW101", Reason: "r", Until: noon.Add(time.Minute)}, true, ""},
		{Waiver{Code: "SW101", Reason: "r", Until: time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)}, true, ""},
		{Waiver{Code: "SW101", Reason: "r", Until: time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC)}, false, "SW901"},
	} {
		in.Waivers = []Waiver{c.waiver}
		waived, told := false, ""
		for _, h := range reviewed(in) {
			if h.Code == "SW101" {
				waived = h.Waived == "r"
			}
			if strings.HasPrefix(h.Code, "SW9") {
				told += h.Code
			}
		}
		if waived != c.waived || told != c.told {
			t.Errorf("%+v: waived %v, told %q", c.waiver, waived, told)
		}
	}
	// Where not everything could be looked at, nobody can say that it covers nothing.
	in.Waivers = []Waiver{{Code: "SW204", Reason: "r"}}
	in.Envs = append(in.Envs, Evidence{Env: "far", Now: noon})
	expect(t, "SW902", in)
}
