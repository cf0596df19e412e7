package fleet

import (
	"context"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"strait/convex/local"
	"strait/convex/project"
	"strait/model/schema"
)

// An environment in which nothing happens costs less than 5 kB a minute, every
// byte counted: pings, headers and frames, with the log followed or not.
func TestIdleTraffic(t *testing.T) {
	root := t.TempDir()
	t.Setenv("STRAIT_TEST_KEY", "idle|secret")
	for name, shown := range map[string][]string{"shown": {"idle"}, "hidden": nil} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				text := &schema.Validator{Kind: schema.Object, Fields: []schema.Field{{Name: "n", Type: &schema.Validator{Kind: schema.String}}}}
				s := &schema.Schema{Validation: true, Tables: []*schema.Table{{Name: "a", Document: text}, {Name: "b", Document: text}}}
				d := local.New(local.Options{Name: "idle", AdminKey: "idle|secret"})
				defer d.Close()
				if err := d.PushSchema(t.Context(), s); err != nil {
					t.Fatal(err)
				}
				var bytes atomic.Int64
				transport := d.HTTPClient().Transport.(*http.Transport).Clone()
				dial := transport.DialContext
				transport.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
					conn, err := dial(ctx, network, addr)
					return counted{conn, &bytes}, err
				}
				p := &project.Project{Root: root, Schema: s, Config: project.Config{Envs: []project.Env{{Name: "idle", URL: "http://idle.test", KeyEnv: "STRAIT_TEST_KEY"}}}}
				f := Open(t.Context(), Options{Project: p, http: &http.Client{Transport: transport}})
				defer transport.CloseIdleConnections()
				defer f.Close()
				f.Show(shown...)
				if err := f.Ready(t.Context(), "idle"); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Minute) // simulated
				const minutes = 10
				before := bytes.Load()
				time.Sleep(minutes * time.Minute)
				rate := (bytes.Load() - before) / minutes
				e := f.Now().Envs[0]
				t.Logf("%d bytes a minute, of which messages and bodies: %+v", rate, e.Facts.Traffic)
				if rate > 5000 || rate == 0 || e.Facts.Traffic.ReadPerMinute > rate || e.State != Ready {
					t.Errorf("%d bytes a minute while it is %s: %+v", rate, e.State, e.Facts)
				}
				if following := e.Facts.Logs.State == "following"; following != (shown != nil) {
					t.Errorf("the log is %q", e.Facts.Logs.State)
				}
			})
		})
	}
}
