package ui

import (
	"fmt"
	"time"

	"strait/convex/fleet"
	"strait/model/value"
	"strait/plan"
)

// object makes a document from names and values in turn.
func object(pairs ...any) value.Object {
	var fields []value.Field
	for i := 0; i+1 < len(pairs); i += 2 {
		fields = append(fields, value.Field{Name: pairs[i].(string), Value: pairs[i+1]})
	}
	return value.NewObject(fields...)
}

// sceneUser is a user of the old shape with many fields.
func sceneUser(i int) value.Object {
	return object("_id", fmt.Sprintf("k57a2m9d0f3h6j8%02d", i), "_creationTime", 1.7e12+float64(i), "name", "Ada Lovelace", "email", fmt.Sprintf("ada%d@example.com", i),
		"profile", object("bio", "Wrote the first program.", "zip", 1815.0, "links", value.Array{"https://example.com/ada", "https://example.com/engine"}),
		"settings", object("theme", "dark", "mail", true, "digest", object("hour", 8.0, "days", value.Array{"mon", "wed", "fri"})), "tags", value.Array{"math", "poetry"}, "age", 36.0, "score", 99.5, "verified", true)
}

// sceneOrder is an order with many lines, one of which is of the old shape.
func sceneOrder(i int) value.Object {
	var items value.Array
	for k := range 40 {
		price := value.Value("12.50")
		if k == 23 {
			price = 12.5
		}
		items = append(items, object("sku", fmt.Sprintf("SKU-%04d", k), "price", price, "amount", float64(k%4+1)))
	}
	return object("_id", fmt.Sprintf("j97c3t5e1r8q2w4%02d", i), "_creationTime", 1.71e12, "customer", "k57a2m9d0f3h6j8", "items", items, "paid", true, "note", "leave at the door")
}

// sceneCensus is a census with groups of every reason.
func sceneCensus(now time.Time) *plan.Census {
	c := &plan.Census{Deployment: "calm-otter-812", Schema: "9be1f0aa77c2", Started: now.Add(-3 * time.Minute), At: now.Add(-2 * time.Minute), Full: true, Read: 34000, Bytes: 21 << 20, Offenders: 19204,
		Tables: map[string]int64{"users": 15000, "orders": 4204},
		Counts: map[string]plan.TableCount{"users": {Documents: 20000, Read: 20000, Offenders: 15000, Most: 15000}, "orders": {Documents: 10000, Read: 10000, Offenders: 4204, Most: 4204},
			"embeddings": {Documents: 5000, Proved: plan.ByShapes}, "preferences": {Documents: 4000, Read: 4000}, "sessions": {Documents: 1000, Proved: plan.BySchema}, "flags": {Proved: plan.ByEmpty}}}
	add := func(table, path, reason string, n int64, samples ...plan.Sample) {
		c.Groups = append(c.Groups, plan.Group{Table: table, Path: path, Reason: reason, Count: n, Samples: samples})
	}
	user := func(i int, place, message, expected, got string) plan.Sample {
		d := sceneUser(i)
		id, _ := d.Get("_id")
		return plan.Sample{ID: id.(string), Place: place, Message: message, Expected: expected, Got: got, Document: d}
	}
	order := func(i int, place, message, expected, got string) plan.Sample {
		s := user(i, place, message, expected, got)
		s.Document = sceneOrder(i)
		id, _ := s.Document.Get("_id")
		s.ID = id.(string)
		return s
	}
	plans := `v.union(v.literal("free"), v.literal("pro"), v.literal("team"))`
	missing := "Object is missing the required field `plan`. Consider wrapping the field validator in `v.optional(...)` if this is expected."
	add("users", "users.plan", "missing", 14980, user(1, ".plan", missing, plans, "undefined"), user(2, ".plan", missing, plans, "undefined"), user(3, ".plan", missing, plans, "undefined"))
	add("users", "users.profile", "extra", 9200, user(4, ".profile", "Object contains extra field `profile` that is not in the validator.", "", "object"))
	add("orders", "orders.items[].price", "type", 4200, order(5, ".items[23].price", "Value does not match validator.\nPath: .items[23].price\nValue: 12.5\nValidator: v.string()", "v.string()", "12.5"))
	add("orders", "orders.customer", "id", 4, order(6, ".customer", "Found ID \"k57a2m9d0f3h6j8\" from table `users`, which does not match the table name in validator `v.id(\"customers\")`.", `v.id("customers")`, "id of users"))
	add("users", "users.settings", "union", 20, user(7, ".settings", "Value does not match validator.\nPath: .settings", `v.union(v.object({theme: v.literal("dark"), mail: v.boolean()}), v.object({theme: v.literal("light"), accent: v.string()}), v.null())`, "object"))
	c.Groups[len(c.Groups)-1].Samples[0].Closest = &plan.Near{Way: []string{"digest"}, Reason: "extra", Got: "object"}
	return c
}

// dressCensus puts what a census tells into the environments.
func dressCensus(s *fleet.Snapshot, name string, now time.Time) {
	e := &s.Envs[1]
	certified := func(e *fleet.EnvSnapshot) {
		e.Census = &plan.Census{Deployment: "calm-otter-812", Schema: "9be1f0aa77c2", Started: now.Add(-3 * time.Minute), At: now.Add(-2 * time.Minute), Full: true, Read: 34000,
			Counts: map[string]plan.TableCount{"users": {Documents: 20000, Read: 20000}, "orders": {Documents: 10000, Read: 10000}, "embeddings": {Documents: 5000, Proved: plan.ByShapes}, "preferences": {Documents: 4000, Read: 4000}}}
		e.Certificate = &plan.Certificate{Env: "staging", Deployment: "calm-otter-812", Schema: "9be1f0aa77c2", Tables: map[string]int64{"users": 20000, "orders": 10000, "preferences": 4000}, Proved: []string{"embeddings"}, Started: e.Census.Started, Ended: e.Census.At, Tool: "strait 1.0.0"}
		e.Writers = &plan.Writers{Since: now.Add(-3 * time.Minute), Checked: now.Add(-5 * time.Second), How: "shapes"}
		delete(e.Runs, "migrations:priceToString")
		for i := range s.Plan.Rows {
			c := &s.Plan.Rows[i].Cells[1]
			c.Migrate = plan.Step{State: plan.Done, At: e.Census.At, Evidence: "certified: no document misfits; 34,000 documents read, counted 2m ago; what is written since is looked at by its shapes, last now"}
			c.Narrow = plan.Step{State: plan.Todo, At: now, Next: "narrow"}
		}
	}
	switch name {
	case "offenders", "revealed":
		e.Census = sceneCensus(now)
		prod := &s.Envs[2]
		prod.Census = sceneCensus(now)
		prod.Census.Deployment = "happy-fox-123"
		for i := range prod.Census.Groups {
			for k := range prod.Census.Groups[i].Samples {
				s := &prod.Census.Groups[i].Samples[k]
				s.Masked, s.Got = true, ""
			}
		}
		if name == "revealed" {
			e.Protected, e.Revealed = true, now.Add(4*time.Minute+12*time.Second)
		}
	case "sampled":
		e.Census = sceneCensus(now)
		c := e.Census
		c.Full, c.Read, c.Offenders = false, 2000, 930
		c.Counts["users"] = plan.TableCount{Documents: 20000, Read: 1000, Offenders: 740, Most: 15330}
		c.Counts["orders"] = plan.TableCount{Documents: 10000, Read: 1000, Offenders: 190, Most: 2160}
		c.Counts["preferences"] = plan.TableCount{Documents: 4000, Read: 1000, Most: 12}
		for i := range c.Groups {
			c.Groups[i].Count = max(1, c.Groups[i].Count/20)
		}
	case "certified":
		certified(e)
	case "old-writers":
		certified(e)
		e.Certificate.Revoked, e.Certificate.Why = now.Add(-70*time.Second), "14 documents of the old shape were written to users"
		e.Writers.Offenders, e.Writers.First = map[string]int64{"users": 14}, now.Add(-70*time.Second)
		for i := range s.Plan.Rows {
			if r := &s.Plan.Rows[i]; r.Table == "users" {
				r.Cells[1].Migrate = plan.Step{State: plan.Todo, At: now, Why: "14 documents of the old shape were written to users since 1m ago", Next: "census"}
				r.Cells[1].Narrow = plan.Step{State: plan.Blocked, Why: "documents must fit first", Next: "census"}
			}
		}
	case "stopped":
		e.Embedded = false
		e.Census = sceneCensus(now)
		c := e.Census
		c.Full, c.Stopped, c.Read, c.Offenders = false, "its budget of 20,000 documents is spent", 20000, 15000
		c.Groups = c.Groups[:2]
		c.Counts["orders"] = plan.TableCount{Documents: 10000}
	}
}
