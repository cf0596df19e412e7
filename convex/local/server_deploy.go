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
	mux.HandleFunc("POST /api/get_config_hashes", answered(d.configHashes))
	mux.HandleFunc("POST /api/get_config", answered(d.config))
	mux.HandleFunc("POST /api/deploy2/evaluate_schema", answered(d.evaluateSchema))
	mux.HandleFunc("POST /api/deploy2/evaluate_push", answered(d.evaluatePush))
	mux.HandleFunc("POST /api/deploy2/start_push", answered(d.startPush))
	mux.HandleFunc("POST /api/deploy2/wait_for_schema", answered(d.waitForSchema))
	mux.HandleFunc("POST /api/deploy2/finish_push", answered(d.finishPush))
	mux.HandleFunc("POST /api/deploy2/report_push_completed", answered(d.pushReported))
	mux.HandleFunc("GET /api/v1/get_canonical_urls", answered(d.canonicalURLs))
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

type deployedConfig struct {
	Config           projectConfig `json:"config"`
	UDFServerVersion *string       `json:"udfServerVersion"`
	NodeVersion      *string       `json:"nodeVersion,omitempty"`
}

type hashesAnswer struct {
	deployedConfig
	ModuleHashes []moduleHash `json:"moduleHashes"`
}

type configAnswer struct {
	deployedConfig
	Modules []jsrun.PushedModule `json:"modules"`
}

// configHashes lets the CLI send only the modules that changed. Code that
// Strait pushed has none to compare with.
func (d *Deployment) configHashes(r *http.Request) (hashesAnswer, error) {
	c, s, err := d.deployedConfig(r)
	return hashesAnswer{c, append([]moduleHash{}, s.hashes...)}, err
}

func (d *Deployment) config(r *http.Request) (configAnswer, error) {
	c, s, err := d.deployedConfig(r)
	return configAnswer{c, append([]jsrun.PushedModule{}, s.modules...)}, err
}

// deployedConfig tells of what the official CLI pushed last; the empty source
// stands for code that Strait pushed.
func (d *Deployment) deployedConfig(r *http.Request) (deployedConfig, *pushedSource, error) {
	c := deployedConfig{Config: projectConfig{"convex/", []struct{}{}}}
	var req keyed
	if err := d.readKeyed(r, &req); err != nil {
		return c, &pushedSource{}, err
	}
	s := d.latest.Load().code.source
	if s == nil {
		return c, &pushedSource{}, nil
	}
	c.Config.Functions, c.UDFServerVersion, c.NodeVersion = s.functions, &s.version, s.nodeVersion
	return c, s, nil
}

// startedPush is a push between start_push and finish_push.
type startedPush struct {
	id       string
	dry      bool
	release  *release
	declared []jsrun.DeclaredEnv // by the app
	diff     pushDiff            // once it is in force; guarded by Deployment.pushing
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
		if p.id == id {
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
	ctx, leave, err := d.enterEvaluating(r.Context())
	if err != nil {
		return nil, nil, err
	}
	defer leave()
	e, err := d.evaluate(ctx, &req, code)
	return &req, e, whilePushing(err)
}

// enterEvaluating is enter for what holds d.evaluating until it leaves.
func (d *Deployment) enterEvaluating(ctx context.Context) (context.Context, func(), error) {
	ctx, leave, err := d.enter(ctx)
	if err != nil {
		return nil, nil, err
	}
	select {
	case d.evaluating <- struct{}{}:
		return ctx, func() { <-d.evaluating; leave() }, nil
	case <-ctx.Done():
		defer leave()
		return nil, nil, ctx.Err()
	}
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

func (d *Deployment) startPush(r *http.Request) (*startPushAnswer, error) {
	req, e, err := d.prepareRequest(r, true)
	if err != nil {
		return nil, err
	}
	base := d.latest.Load()
	e.release.subs = d.submit(e.release.targets, true)
	if err := d.validateLater(e.release.subs); err != nil {
		return nil, err
	}
	p := &startedPush{id: d.random.hex(16), dry: req.DryRun || req.ForCodegen, release: e.release, declared: e.declared}
	d.keep(p)
	return e.answer(base, p), nil
}

func (d *Deployment) evaluatePush(r *http.Request) (map[string]schemaChange, error) {
	_, e, err := d.prepareRequest(r, true)
	if err != nil {
		return nil, err
	}
	return map[string]schemaChange{"schemaChange": e.change(d.latest.Load())}, nil
}

// Bounds of a long poll.
const (
	schemaPoll    = 10 * time.Second
	maxSchemaPoll = time.Minute
)

func (d *Deployment) waitForSchema(r *http.Request) (status schemaStatus, err error) {
	var req struct {
		keyed
		SchemaChange struct {
			SchemaIDs map[string]*string `json:"schemaIds"`
		} `json:"schemaChange"`
		TimeoutMS *float64 `json:"timeoutMs"`
	}
	if err := d.readKeyed(r, &req); err != nil {
		return status, err
	}
	timeout := schemaPoll
	if req.TimeoutMS != nil {
		timeout = time.Duration(min(max(*req.TimeoutMS, 0), float64(maxSchemaPoll.Milliseconds()))) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(r.Context(), timeout)
	defer cancel()
	for {
		at := d.latest.Load().ts
		status, err = d.schemaStatus(req.SchemaChange.SchemaIDs)
		if err != nil || status.Type != "inProgress" {
			return status, err
		}
		if _, ended := d.Wait(ctx, at); ended != nil {
			return status, nil
		}
	}
}

type finishPushAnswer struct {
	Auth        pathDiff            `json:"authDiff"`
	Definitions map[string]struct{} `json:"definitionDiffs"`
	Components  pushDiff            `json:"componentDiffs"`
}

func (d *Deployment) finishPush(r *http.Request) (*finishPushAnswer, error) {
	var req struct {
		keyed
		StartPush struct {
			Packages map[string]sourcePackage `json:"componentDefinitionPackages"`
		} `json:"startPush"`
		DryRun  bool   `json:"dryRun"`
		Message string `json:"message"`
	}
	if err := d.readKeyed(r, &req); err != nil {
		return nil, err
	}
	a := &finishPushAnswer{pathDiff{[]string{}, []string{}}, map[string]struct{}{}, pushDiff{}}
	if req.DryRun { // it has changed nothing, so there is nothing to tell
		return a, nil
	}
	var err error
	a.Components, err = d.finish(r.Context(), req.StartPush.Packages[""].StorageKey, req.Message)
	return a, whilePushing(err)
}

// finish puts a started push in force. Finished twice, it answers as the first
// time: the client may have lost the answer.
func (d *Deployment) finish(ctx context.Context, id, message string) (pushDiff, error) {
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

func (d *Deployment) pushReported(r *http.Request) (null any, err error) {
	var req keyed
	return nil, d.readKeyed(r, &req)
}

// canonicalURLs is what `convex deploy --cmd` tells the command that it runs.
func (d *Deployment) canonicalURLs(r *http.Request) (map[string]string, error) {
	_, err := d.requireAdmin(r)
	url, _ := withOrigin(r.Context(), r).Value(originKey{}).(string)
	return map[string]string{"convexCloudUrl": url, "convexSiteUrl": url}, err
}
