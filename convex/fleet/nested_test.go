package fleet

import (
	"testing"

	"strait/convex/wire"
	"strait/model/value"
	"strait/plan"
)

// A component has migrations of its own, with a migrations component of its
// own: they are watched, and canceled by themselves and with all others.
func TestMigrationsInsideAComponent(t *testing.T) {
	f := filled(t, billing)
	key := "billing:work:pay"
	client := f.envs[0].client
	for _, cancel := range []Command{{Action: plan.ActCancel, Migration: key}, {Action: plan.ActCancelAll}} {
		start := wire.Call{Component: "billing", Path: "work:pay", Args: value.NewObject(value.Field{Name: "batchSize", Value: 1.0})}
		if _, err := client.Mutate(within(t), start); err != nil {
			t.Fatal(err)
		}
		until(t, f, key, "it is seen to run", func(r Run) bool { return r.State == "inProgress" })
		if out := runIt(t, f, cancel); out.Status != "success" {
			t.Fatalf("%+v: %+v %+v", cancel, out, out.Failure)
		}
		if r := until(t, f, key, "it is canceled", func(r Run) bool { return !r.active() }); r.State != "canceled" || r.Component != "billing/migrations" {
			t.Fatalf("%+v: %+v", cancel, r)
		}
	}
}
