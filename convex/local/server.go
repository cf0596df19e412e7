package local

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// The server in front of the core: HTTP (convex-wire.md 2), WebSocket sync
// (4), log streaming (5) and system functions (6). It keeps two things of its
// own: which connections are open, and which mutations a WebSocket session
// has already run.

// front is the server's half of a Deployment.
type front struct {
	once     sync.Once
	mu       sync.Mutex      // orders counting in against ending
	ctx      context.Context // ends with the deployment
	cancel   context.CancelFunc
	sessions sessions
	tests    testQueries
	shapes   inferredShapes
	conns    sync.WaitGroup // open WebSockets, mutations that outlived theirs, exports, imports
	exports  exports
	imports  imports

	memory sync.Once // of the in-memory listener
	ln     *memoryListener
	http   *http.Server
}

// serving returns the server's half, made ready.
func (d *Deployment) serving() *front {
	f := &d.front
	f.once.Do(func() { f.ctx, f.cancel = context.WithCancel(context.Background()) })
	return f
}

// stopServing ends every connection; Close calls it.
func (d *Deployment) stopServing() {
	f := d.serving()
	f.mu.Lock()
	f.cancel()
	f.mu.Unlock()
	f.memory.Do(func() {}) // no in-memory server starts any more
	if f.http != nil {
		f.http.Close()
		f.ln.Close()
	}
	f.conns.Wait()
	f.exports.close()
	f.imports.close()
}

// Handler answers everything that a deployment answers. It may be used by any
// number of servers; they share the deployment and its sessions.
func (d *Deployment) Handler() http.Handler {
	d.serving()
	mux := http.NewServeMux()
	text := func(s func() string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			fmt.Fprint(w, s())
		}
	}
	mux.HandleFunc("GET /{$}", text(func() string {
		return "This is Strait's embedded Convex deployment, for rehearsal, demos and tests.\n"
	}))
	mux.HandleFunc("GET /version", text(func() string { return serverVersion }))
	mux.HandleFunc("GET /instance_version", text(func() string { return serverVersion }))
	mux.HandleFunc("GET /instance_name", text(d.Name))
	mux.HandleFunc("POST /echo", d.echo)
	mux.HandleFunc("GET /api/check_admin_key", answered(d.checkAdminKey))
	mux.HandleFunc("POST /api/query", d.functionHandler("Query"))
	mux.HandleFunc("GET /api/query", d.queryGet)
	mux.HandleFunc("POST /api/mutation", d.functionHandler("Mutation"))
	mux.HandleFunc("POST /api/action", d.functionHandler("Action"))
	mux.HandleFunc("POST /api/function", d.anyFunction)
	mux.HandleFunc("POST /api/run/{path...}", d.runByPath)
	mux.HandleFunc("POST /api/query_batch", d.queryBatch)
	mux.HandleFunc("POST /api/query_ts", d.queryTS)
	mux.HandleFunc("POST /api/query_at_ts", d.queryAtTS)
	mux.HandleFunc("POST /api/run_test_function", answered(d.runTestFunction))
	mux.HandleFunc("GET /api/shapes2", answered(d.shapes2))
	for _, method := range []string{"GET ", "POST "} {
		mux.HandleFunc(method+"/api/list_snapshot", answered(d.listSnapshot))
		mux.HandleFunc(method+"/api/document_deltas", answered(d.documentDeltas))
	}
	mux.HandleFunc("GET /api/get_indexes", answered(d.getIndexes))
	mux.HandleFunc("POST /api/prepare_schema", answered(d.prepareSchema))
	schemaState := answered(d.rootSchemaState)
	// Its own pattern would clash with that of sync, /api/{version}/sync.
	mux.HandleFunc("GET /api/{route}/{id}", func(w http.ResponseWriter, r *http.Request) {
		if r.PathValue("route") != "schema_state" {
			noRoute(w, r)
			return
		}
		schemaState(w, r)
	})
	mux.HandleFunc("POST /api/update_environment_variables", d.permitted("WriteEnvironmentVariables", d.updateVariables))
	mux.HandleFunc("POST /api/cancel_job", d.cancelJobRoute)
	mux.HandleFunc("POST /api/cancel_all_jobs", d.cancelAllJobs)
	for _, prefix := range []string{"/api/", "/api/app_metrics/"} {
		mux.HandleFunc("GET "+prefix+"stream_function_logs", d.streamFunctionLogs)
		mux.HandleFunc("GET "+prefix+"stream_udf_execution", d.streamExecutions)
	}
	d.deployRoutes(mux)
	d.exportRoutes(mux)
	d.importRoutes(mux)
	mux.HandleFunc("GET /api/sync", d.sync)
	mux.HandleFunc("GET /api/{version}/sync", d.sync)
	mux.HandleFunc("/", noRoute)
	return d.outer(mux)
}

// absent are the routes of Convex that an embedded deployment has not
// (convex-wire.md 2.6, 6.4); one that ends in a slash stands for all below it.
var absent = []string{
	"/api/app_metrics/", "/api/actions/", "/api/storage/",
	"/api/delete_tables", "/api/delete_component", "/api/delete_scheduled_functions_table", "/api/list_environment_variables",
	"/api/json_schemas", "/api/get_table_column_names",
	"/api/public_openapi.json", "/api/dashboard_openapi.json", "/api/v1/openapi.json",
	"/api/v1/deployment_info", "/api/v1/pause_deployment", "/api/v1/unpause_deployment", "/api/v1/list_audit_log_events",
	"/api/v1/data/", "/api/v1/list_usage_limits", "/api/v1/create_usage_limit", "/api/v1/update_usage_limit/", "/api/v1/delete_usage_limit/", "/api/v1/get_current_usage",
}

// noRoute refuses a request for good. Of a route that Convex has it is no 404:
// the official CLI would try that again for half a minute, without a word.
func noRoute(w http.ResponseWriter, r *http.Request) {
	if slices.ContainsFunc(absent, func(route string) bool {
		return r.URL.Path == route || strings.HasSuffix(route, "/") && strings.HasPrefix(r.URL.Path, route)
	}) {
		writeError(w, badRequest("NotSupported",
			"Strait's embedded deployment, which is for rehearsal, does not have %s %s: ask a deployment of Convex for it (npx convex dev makes one).", r.Method, r.URL.Path))
		return
	}
	writeError(w, &httpError{http.StatusNotFound, "NotFound", fmt.Sprintf(
		"No such route on this embedded deployment: %s %s. It answers the functions API, WebSocket sync, log streaming and `npx convex deploy`.", r.Method, r.URL.Path)})
}

// serverVersion is what GET /version answers; clients read no more from it
// than that it is not a released backend.
const serverVersion = "strait-embedded"

// Serve serves the deployment on a listener until ctx ends, then lets running
// requests finish for a moment. The listener is closed in any case.
func (d *Deployment) Serve(ctx context.Context, ln net.Listener) error {
	f := d.serving()
	srv := newHTTPServer(d.Handler())
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve deployment %s on %s: %w", d.Name(), ln.Addr(), err)
	case <-ctx.Done():
	case <-f.ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.Background(), shutdownGrace)
	defer cancel()
	err := srv.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	<-served
	if err != nil && !errors.Is(err, net.ErrClosed) {
		return fmt.Errorf("stop serving deployment %s: %w", d.Name(), err)
	}
	return nil
}

const shutdownGrace = 5 * time.Second

// newHTTPServer is an http.Server whose sync connections end when it shuts
// down.
func newHTTPServer(h http.Handler) *http.Server {
	ctx, cancel := context.WithCancel(context.Background())
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          discardLog,
		BaseContext: func(net.Listener) context.Context {
			// Shutdown must not end requests at once, so ctx is their value, not
			// their parent.
			return context.WithValue(context.Background(), servingKey{}, ctx)
		},
	}
	srv.RegisterOnShutdown(cancel)
	return srv
}

// servingKey finds the context that ends when the server of a request shuts
// down, which a WebSocket and a long poll must heed.
type servingKey struct{}

// HTTPClient is a client whose every connection leads to this deployment, in
// memory, whatever host its URLs name. WebSockets can be dialled with it.
func (d *Deployment) HTTPClient() *http.Client {
	f := d.serving()
	f.memory.Do(func() {
		f.ln = newMemoryListener()
		f.http = newHTTPServer(d.Handler())
		go f.http.Serve(f.ln)
	})
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if f.ln == nil {
				return nil, net.ErrClosed
			}
			return f.ln.dial(ctx)
		},
		DisableCompression:  true, // nothing is saved within one process
		MaxIdleConnsPerHost: 4,
	}}
}

// outer does what holds for every route: CORS, the client's version, the size
// of bodies, compression, and no panic beyond its request.
func (d *Deployment) outer(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cors(w, r) {
			return
		}
		if v := r.Header.Get("Convex-Client"); v != "" && !strings.Contains(v, "-") {
			writeError(w, &httpError{http.StatusBadRequest, "InvalidClientVersion", fmt.Sprintf("Failed to parse client version: %q", v)})
			return
		}
		if err := d.limitBody(w, r); err != nil {
			writeError(w, err)
			return
		}
		cw, finish := compress(w, r)
		defer finish()
		next.ServeHTTP(cw, r)
	})
}

// cors answers browsers of any origin: a deployment takes no cookies, so a
// page can do nothing here that its visitor could not.
func cors(w http.ResponseWriter, r *http.Request) (done bool) {
	origin := r.Header.Get("Origin")
	if origin == "" {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	h.Set("Access-Control-Allow-Origin", origin)
	if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
		return false
	}
	h.Set("Access-Control-Allow-Methods", "GET,POST,PUT,OPTIONS,DELETE")
	if want := r.Header.Get("Access-Control-Request-Headers"); want != "" {
		h.Set("Access-Control-Allow-Headers", want)
	}
	h.Set("Access-Control-Max-Age", "86400")
	w.WriteHeader(http.StatusOK)
	return true
}
