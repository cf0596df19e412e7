package ui

import (
	"context"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/model/schema"
	"strait/plan"
)

// The demo's plan as a pull request would show it, from evidence written down
// here: dev is finished, staging half way, prod not begun. The golden file was
// read line by line: read it again when it changes.
func TestDemoPlanReadsWell(t *testing.T) {
	ctx := context.Background()
	p, err := project.Load(ctx, project.Options{Dir: "../testdata/demo"})
	if err != nil {
		t.Fatal(err)
	}
	before, err := project.LoadSchema(ctx, p.Root, "schemas/before.ts")
	if err != nil {
		t.Fatal(err)
	}
	code, err := p.Code(ctx)
	if err != nil {
		t.Fatal(err)
	}
	env := func(name string, active *schema.Schema, scale int64) plan.Evidence {
		ev := plan.Evidence{
			Env: name, Now: noon, Reachable: true, Active: active, ActiveKnown: true, LastPush: noon.Add(-time.Hour), Progress: map[string]plan.Progress{},
			Tables: map[string]int64{"teams": scale, "users": 75 * scale, "products": 5 * scale, "orders": 40 * scale, "sessions": 12 * scale, "embeddings": 5 * scale},
			Sizes:  map[string]plan.Size{"orders": {Sampled: 32, Mean: 400, Largest: 700}},
		}
		for _, m := range p.Migrations {
			ev.Progress[m.Name] = plan.Progress{Deployed: true}
		}
		return ev
	}
	dev, staging, prod := env("dev", p.Schema, 2), env("staging", schema.WidenSchemas(before, p.Schema), 60), env("prod", before, 400)
	prod.Protected = true
	staging.Progress["migrations:setTeamPlan"] = plan.Progress{Deployed: true, State: "success", Done: true, Processed: 60, Ended: noon.Add(-time.Minute)}
	staging.Progress["migrations/orders:addCustomerName"] = plan.Progress{Deployed: true, State: "failed", Processed: 1800, Ended: noon.Add(-time.Minute), Error: "TypeError: Cannot read properties of null (reading 'name')"}
	in := plan.Input{Target: p.Schema, Definitions: fleet.Definitions(p.Migrations), Envs: []plan.Evidence{dev, staging, prod}, Code: code,
		Waivers: []plan.Waiver{{Code: "SW103", Path: "users.avatarUrl", Reason: "the pictures moved to storage in March"}}}
	made := plan.Make(in)
	d := &planDoc{project: p.Name, target: "convex/schema.ts", plan: made, review: plan.NewReview(in, made), verb: "strait"}
	golden.RequireEqual(t, d.markdown())
}
