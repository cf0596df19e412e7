package fleet

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"strait/convex/internal/npmtest"
	"strait/convex/project"
	"strait/plan"
)

// What a batch that failed has logged is shown once, whichever way it was
// started, whether the function log may be read as well or only the answer
// tells.
func TestAFailedBatchSaysItOnce(t *testing.T) {
	npm := npmtest.Dir(t)
	f := own(t, map[string]string{
		"convex/migrations.ts": define + `
import { makeMigration } from "convex-helpers/server/migrations";
import { internalMutation } from "./_generated/server";
import { v } from "convex/values";
const fails = (doc: { _id: string }) => { console.log("gives up"); throw new Error("no way: " + doc._id); };
export const component = migrations.define({ table: "items", migrateOne: (ctx, doc) => fails(doc) });
export const helpers = makeMigration(internalMutation, { defaultBatchSize: 25 })({ table: "items", migrateOne: (ctx, doc) => fails(doc) });
export const paged = internalMutation({
  args: { cursor: v.union(v.string(), v.null()) },
  handler: async (ctx, { cursor }) => fails((await ctx.db.query("items").paginate({ cursor, numItems: 5 })).page[0]),
});
export const oneshot = internalMutation({ args: {}, handler: async (ctx) => { for (const doc of await ctx.db.query("items").collect()) { fails(doc); await ctx.db.patch(doc._id, { done: true }); } } });`,
		"node_modules": "-> " + filepath.Join(npm, "node_modules"),
	}, "")
	ready(t, f, "only")
	d, err := OpenEmbedded(t.Context(), f.Project(), "only", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	server := httptest.NewServer(d.Handler())
	defer server.Close()
	root := f.Project().Root
	if err := os.WriteFile(filepath.Join(root, "strait.toml"), []byte("[[env]]\nname = \"only\"\nurl = \""+server.URL+"\"\nkey_env = \"STRAIT_TEST_KEY\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("STRAIT_TEST_KEY", d.AdminKey())
	for _, readable := range []bool{true, false} {
		p, err := project.Load(t.Context(), project.Options{Dir: root})
		if err != nil {
			t.Fatal(err)
		}
		network := meddler(func(r *http.Request) (*http.Response, error) {
			if strings.Contains(r.URL.Path, "function_logs") && !readable {
				return &http.Response{StatusCode: http.StatusForbidden, Header: http.Header{"Content-Type": {"application/json"}}, Request: r,
					Body: io.NopCloser(strings.NewReader(`{"code":"Unauthorized","message":"the key lacks ViewLogs"}`))}, nil
			}
			return http.DefaultTransport.RoundTrip(r)
		})
		f := Open(t.Context(), Options{Project: p, http: &http.Client{Transport: network}})
		defer f.Close()
		ready(t, f, "only")
		for _, c := range []Command{
			{Action: plan.ActRun, Migration: "component"}, {Action: plan.ActRun, Migration: "component", Supervised: true},
			{Action: plan.ActRun, Migration: "helpers"}, {Action: plan.ActRun, Migration: "paged"}, {Action: plan.ActRun, Migration: "oneshot"},
			{Action: plan.ActDryRun, Migration: "component"},
		} {
			c.Reset = c.Action == plan.ActRun
			name := "migrations:" + c.Migration
			before := said(f.Now().Envs[0].Runs[name].Log)
			out := runIt(t, f, c)
			if out.Status != "failed" {
				t.Errorf("%+v: %+v", c, out)
			}
			n := said(f.Now().Envs[0].Runs[name].Log) - before
			if c.Action == plan.ActDryRun {
				n = said(out.DryRun.Log)
			}
			if n != 1 {
				t.Errorf("%s of %s, supervised %v, log readable %v: what the batch logged is shown %d times", c.Action, c.Migration, c.Supervised, readable, n)
			}
		}
		f.Close()
	}
}

func said(log []LogEntry) (n int) {
	for _, l := range log {
		if strings.Contains(l.Text, "gives up") {
			n++
		}
	}
	return n
}
