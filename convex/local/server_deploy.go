package local

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"strait/convex/jsrun"
)

// What `npx convex deploy` asks of a deployment (convex-wire.md 10): it
// uploads code and schemas (start_push), waits until the documents are known
// to fit (wait_for_schema) and puts all in force at once (finish_push). The
// client carries the answer of start_push to finish_push; of it only the name
// of the push is read again here.

func (d *Deployment) deployRoutes(mux *http.ServeMux) {
	mux.HandleFunc("POST /api/push_config", oldPush)
	mux.HandleFunc("POST /api/get_config_hashes", d.configHashes)
	mux.HandleFunc("POST /api/get_config", d.config)
	mux.HandleFunc("POST /api/deploy2/evaluate_schema", d.evaluateSchema)
	mux.HandleFunc("POST /api/deploy2/evaluate_push", d.evaluatePush)
	mux.HandleFunc("POST /api/deploy2/start_push", d.startPush)
	mux.HandleFunc("POST /api/deploy2/wait_for_schema", d.waitForSchema)
	mux.HandleFunc("POST /api/deploy2/finish_push", d.finishPush)
	mux.HandleFunc("POST /api/deploy2/report_push_completed", d.pushReported)
	mux.HandleFunc("GET /api/v1/get_canonical_urls", d.canonicalURLs)
}

// oldPush refuses how older CLIs push a project without a convex.config. It is
// no 404: they would try that again for minutes, without a word.
func oldPush(w http.ResponseWriter, _ *http.Request) {
	writeError(w, badRequest("ClientTooOld",
		"This embedded deployment does not take the push of an older convex package, and nothing was deployed: update it (npm install convex@latest) and deploy again."))
}

// keyed is a request that carries the key in its body.
type keyed struct {
	AdminKey string `json:"adminKey"`
}

func (k keyed) key() string { return k.AdminKey }

// readKeyed reads a request and checks that the key in it may deploy.
func (d *Deployment) readKeyed(r *http.Request, into interface{ key() string }) error {
	if err := readJSON(r, into); err != nil {
		return err
	}
	_, err := d.allow("Deploy")(d.checkKey(into.key()))
	return err
}

// pushedSource is what the official CLI pushed last.
type pushedSource struct {
	functions   string // folder: "convex/"
	version     string // of npm's convex
	nodeVersion *string
	modules     []jsrun.PushedModule         // of the root, shared ones included
	hashes      []moduleHash                 // of modules
	digests     map[string]map[string]string // component -> module -> digest
	crons       map[string][]string          // component -> names
	evaluated   map[string]*jsrun.Pushed     // by digest of what was evaluated
}

type moduleHash struct {
	Path        string `json:"path"`
	Hash        string `json:"hash"`
	Environment string `json:"environment"`
}

type projectConfig struct {
	Functions string     `json:"functions"`
	AuthInfo  []struct{} `json:"authInfo"`
}

type configAnswer struct {
	Config           projectConfig        `json:"config"`
	ModuleHashes     []moduleHash         `json:"moduleHashes,omitempty"`
	Modules          []jsrun.PushedModule `json:"modules,omitempty"`
	UDFServerVersion *string              `json:"udfServerVersion"`
	NodeVersion      *string              `json:"nodeVersion,omitempty"`
}

// configHashes lets the CLI send only the modules that changed. Code that
// Strait pushed has none to compare with.
func (d *Deployment) configHashes(w http.ResponseWriter, r *http.Request) {
	d.answerConfig(w, r, func(a *configAnswer, s *pushedSource) any {
		if s != nil {
			a.ModuleHashes = s.hashes
		}
		return struct {
			*configAnswer
			ModuleHashes []moduleHash `json:"moduleHashes"`
		}{a, append([]moduleHash{}, a.ModuleHashes...)}
	})
}

func (d *Deployment) config(w http.ResponseWriter, r *http.Request) {
	d.answerConfig(w, r, func(a *configAnswer, s *pushedSource) any {
		if s != nil {
			a.Modules = s.modules
		}
		return struct {
			*configAnswer
			Modules []jsrun.PushedModule `json:"modules"`
		}{a, append([]jsrun.PushedModule{}, a.Modules...)}
	})
}

func (d *Deployment) answerConfig(w http.ResponseWriter, r *http.Request, fill func(*configAnswer, *pushedSource) any) {
	var req keyed
	if err := d.readKeyed(r, &req); err != nil {
		writeError(w, err)
		return
	}
	a := &configAnswer{Config: projectConfig{"convex/", []struct{}{}}}
	s := d.latest.Load().code.source
	if s != nil {
		a.Config.Functions, a.UDFServerVersion, a.NodeVersion = s.functions, &s.version, s.nodeVersion
	}
	writeJSON(w, http.StatusOK, fill(a, s))
}

// startedPush is a push between start_push and finish_push.
type startedPush struct {
	id       string
	dry      bool
	release  *release
	declared []jsrun.DeclaredEnv // by the app
	diff     *pushDiff           // once it is in force; guarded by Deployment.pushing
}

// maxStarted bounds the pushes kept for their finish_push: each holds its code.
const maxStarted = 4

func (d *Deployment) keep(p *startedPush) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.started = append(d.started, p)
	if len(d.started) > maxStarted {
		d.started = slices.Clone(d.started[1:])
	}
}

func (d *Deployment) startedPush(id string) *startedPush {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, p := range d.started {
		if p.id == id && id != "" {
			return p
		}
	}
	return nil
}

// prepareRequest reads a request of the shape of start_push and evaluates it,
// one at a time.
func (d *Deployment) prepareRequest(r *http.Request, code bool) (*pushRequest, *evaluation, error) {
	var req pushRequest
	if err := d.readKeyed(r, &req); err != nil {
		return nil, nil, err
	}
	ctx, leave, err := d.enter(r.Context())
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	select {
	case d.evaluating <- struct{}{}:
		defer func() { <-d.evaluating }()
	case <-ctx.Done():
		return nil, nil, ctx.Err()
	}
	e, err := d.evaluate(ctx, &req, code)
	return &req, e, whilePushing(err)
}

// whilePushing puts an error of pushed code into Convex's words.
func whilePushing(err error) error {
	const prefix = "Hit an error while pushing:\n"
	var code *jsrun.PushedError
	var module *jsrun.SchemaError
	var bad *PushError
	switch {
	case errors.As(err, &code):
		return badRequest("InvalidModules", "%sLoading the pushed modules encountered the following error:\n%s", prefix, code.Message)
	case errors.As(err, &module):
		return badRequest("InvalidSchema", "%sHit an error while evaluating your schema:\n%s", prefix, module.Message)
	case errors.As(err, &bad):
		return badRequest("InvalidSchema", "%s%s", prefix, bad.Message)
	case errors.Is(err, errOverwritten):
		return badRequest("RaceDetected", "%s%s", prefix, err.Error())
	}
	return err
}

func (d *Deployment) startPush(w http.ResponseWriter, r *http.Request) {
	req, e, err := d.prepareRequest(r, true)
	if err != nil {
		writeError(w, err)
		return
	}
	skipIndexes := req.DryRun || req.ForCodegen
	base := d.latest.Load()
	e.release.subs = d.submit(e.release.targets, true)
	if err := d.validateLater(e.release.subs); err != nil {
		writeError(w, err)
		return
	}
	p := &startedPush{id: d.random.hex(16), dry: skipIndexes, release: e.release, declared: e.declared}
	d.keep(p)
	writeJSON(w, http.StatusOK, e.answer(base, p))
}

func (d *Deployment) evaluatePush(w http.ResponseWriter, r *http.Request) {
	_, e, err := d.prepareRequest(r, true)
	if err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		SchemaChange schemaChange `json:"schemaChange"`
	}{e.change(d.latest.Load())})
}

// Bounds of a long poll.
const (
	schemaPoll    = 10 * time.Second
	maxSchemaPoll = time.Minute
)

func (d *Deployment) waitForSchema(w http.ResponseWriter, r *http.Request) {
	var req struct {
		keyed
		SchemaChange struct {
			SchemaIDs map[string]*string `json:"schemaIds"`
		} `json:"schemaChange"`
		TimeoutMS *float64 `json:"timeoutMs"`
	}
	if err := d.readKeyed(r, &req); err != nil {
		writeError(w, err)
		return
	}
	timeout := schemaPoll
	if req.TimeoutMS != nil {
		timeout = time.Duration(min(max(*req.TimeoutMS, 0), float64(maxSchemaPoll.Milliseconds()))) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	for {
		at := d.latest.Load().ts
		status, err := d.schemaStatus(req.SchemaChange.SchemaIDs)
		if err != nil {
			writeError(w, err)
			return
		}
		if status.Type == "inProgress" {
			if _, err := d.Wait(ctx, at); err == nil {
				continue
			}
		}
		writeJSON(w, http.StatusOK, status)
		return
	}
}

func (d *Deployment) finishPush(w http.ResponseWriter, r *http.Request) {
	var req struct {
		keyed
		StartPush struct {
			Packages map[string]sourcePackage `json:"componentDefinitionPackages"`
		} `json:"startPush"`
		DryRun  bool   `json:"dryRun"`
		Message string `json:"message"`
	}
	if err := d.readKeyed(r, &req); err != nil {
		writeError(w, err)
		return
	}
	type answer struct {
		Auth        pathDiff            `json:"authDiff"`
		Definitions map[string]struct{} `json:"definitionDiffs"`
		Components  *pushDiff           `json:"componentDiffs"`
	}
	out := answer{pathDiff{[]string{}, []string{}}, map[string]struct{}{}, &pushDiff{}}
	if !req.DryRun { // a dry run has changed nothing, so there is nothing to tell
		diff, err := d.finish(r.Context(), req.StartPush.Packages[""].StorageKey, req.Message)
		if err != nil {
			writeError(w, whilePushing(err))
			return
		}
		out.Components = diff
	}
	writeJSON(w, http.StatusOK, out)
}

// finish puts a started push in force. Finished twice, it answers as the first
// time: the client may have lost the answer.
func (d *Deployment) finish(ctx context.Context, id, message string) (*pushDiff, error) {
	p := d.startedPush(id)
	if p == nil || p.dry {
		return nil, badRequest("PushNotFound", "This push is not known to the deployment, which keeps the last %d: start it again.", maxStarted)
	}
	_, leave, err := d.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	d.pushing.Lock()
	defer d.pushing.Unlock()
	if p.diff != nil {
		return p.diff, nil
	}
	if err := missingVariables(p.declared, changed(p.release.app.Component("").Env, d.latest.Load().code.variables)); err != nil {
		return nil, err
	}
	p.release.message = message
	if p.diff, err = d.activate(p.release); err != nil {
		return nil, err
	}
	return p.diff, nil
}

func (d *Deployment) pushReported(w http.ResponseWriter, r *http.Request) {
	var req keyed
	if err := d.readKeyed(r, &req); err != nil {
		writeError(w, err)
		return
	}
	writeJSON(w, http.StatusOK, nil)
}

// canonicalURLs is what `convex deploy --cmd` tells the command that it runs.
func (d *Deployment) canonicalURLs(w http.ResponseWriter, r *http.Request) {
	if _, err := d.requireAdmin(r); err != nil {
		writeError(w, err)
		return
	}
	url, _ := withOrigin(r.Context(), r).Value(originKey{}).(string)
	writeJSON(w, http.StatusOK, map[string]string{"convexCloudUrl": url, "convexSiteUrl": url})
}
