package fleet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"strait/convex/project"
	"strait/convex/wire"
)

// Verdict is what a check came to.
type Verdict string

// The verdicts, mildest first.
const (
	Fine    Verdict = "ok"
	Doubt   Verdict = "warning"
	Trouble Verdict = "problem"
)

// Finding is one check of an environment.
type Finding struct {
	Check string  `json:"check"` // found, key, address, reachable, proxy, …
	State Verdict `json:"state"`
	Text  string  `json:"text"`
	Hint  string  `json:"hint,omitempty"`
}

// Checkup is what was found of one environment. It holds no key.
type Checkup struct {
	Name       string    `json:"name"`
	Deployment string    `json:"deployment,omitempty"`
	URL        string    `json:"url,omitempty"`
	Embedded   bool      `json:"embedded"`
	Protected  bool      `json:"protected"`
	Findings   []Finding `json:"findings"`
}

// State is the worst verdict of its findings.
func (c Checkup) State() Verdict {
	worst := Fine
	for _, f := range c.Findings {
		switch {
		case f.State == Trouble:
			return Trouble
		case f.State == Doubt:
			worst = Doubt
		}
	}
	return worst
}

const (
	examineWithin = 25 * time.Second // one environment
	examineAtOnce = 8
	liveWithin    = 10 * time.Second
	liveAttempts  = 2
	logsWithin    = 2 * time.Second // a long poll that says nothing in that time was accepted
	clocksApart   = time.Minute
)

// Examine looks at environments of a project, at most examineAtOnce at a time,
// each within a bounded time, and says what works there and what does not. It
// only reads. The checkups stand in the order of names; nil names are all.
func Examine(ctx context.Context, p *project.Project, names []string) []Checkup {
	var envs []project.Env
	for _, e := range p.Config.Envs {
		if names == nil || slices.Contains(names, e.Name) {
			envs = append(envs, e)
		}
	}
	out := make([]Checkup, len(envs))
	places := make(chan struct{}, examineAtOnce)
	var wg sync.WaitGroup
	for i, e := range envs {
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(ctx, examineWithin)
			defer cancel()
			x := &examination{p: p, e: e, out: Checkup{Name: e.Name, Deployment: e.Deployment, URL: e.URL, Embedded: e.Embedded(), Protected: e.Protected, Findings: []Finding{}}}
			x.examine(ctx)
			out[i] = x.out
		})
	}
	wg.Wait()
	return out
}

// examination is one environment being looked at.
type examination struct {
	p      *project.Project
	e      project.Env
	client *wire.Client
	access wire.Access
	out    Checkup
}

func (x *examination) add(check string, s Verdict, text, hint string) {
	x.out.Findings = append(x.out.Findings, Finding{check, s, text, hint})
}

func (x *examination) fine(check, format string, args ...any) {
	x.add(check, Fine, fmt.Sprintf(format, args...), "")
}

// failed tells an error, whose way out may be in it.
func (x *examination) failed(check string, s Verdict, err error, hint string) {
	why, own, ok := strings.Cut(err.Error(), "\nhint: ")
	if ok {
		hint = own
	}
	x.add(check, s, wire.CleanText(strings.TrimPrefix(why, "environment "+x.e.Name+": ")), hint)
}

func (x *examination) examine(ctx context.Context) {
	if x.e.Embedded() {
		x.embedded()
		return
	}
	from := x.e.Found
	if x.e.KeyEnv != "" {
		from += ", key in " + x.e.KeyEnv
	} else if x.e.KeyCommand != "" {
		from += ", key by key_command"
	}
	x.fine("found", "%s", from)
	key, ok := x.key(ctx)
	if !ok {
		return
	}
	address, err := x.e.ResolveURL(ctx, key)
	if err != nil {
		x.failed("address", Trouble, err, "")
		return
	}
	x.out.URL = address
	x.client = wire.New(wire.Options{URL: address, AdminKey: key})
	defer x.client.Close()
	if !x.reach(ctx) || !x.admitted(ctx) {
		return
	}
	x.live(ctx)
	x.schema(ctx)
	x.components(ctx)
	x.functions(ctx)
	x.pushes(ctx)
	x.logs(ctx)
	x.deploys()
}

// embedded says of an environment that Strait keeps itself that it needs
// nothing.
func (x *examination) embedded() {
	what := "generated documents"
	if x.e.Snapshot != "" {
		what = "the documents of " + x.e.Snapshot
	}
	x.fine("embedded", "lives in Strait's memory with %s; there is nothing to reach", what)
	if x.p.Schema == nil {
		x.add("schema", Trouble, "the project's schema did not load, so it cannot be made", "strait inspect says why")
	}
}

func (x *examination) key(ctx context.Context) (string, bool) {
	key, err := x.e.ResolveKey(ctx)
	if err != nil {
		x.failed("key", Trouble, err, "")
		return "", false
	}
	k, err := project.ParseKey(key)
	if err != nil {
		x.failed("key", Trouble, err, "")
		return "", false
	}
	x.fine("key", "%s", k.Describe())
	warnings, err := x.e.Check(k)
	if err != nil {
		x.failed("key", Trouble, err, "")
		return "", false
	}
	for _, w := range warnings {
		text, hint, _ := strings.Cut(w, ": write ")
		if hint != "" {
			hint = "write " + hint
		}
		x.add("key", Doubt, text, hint)
	}
	return key, true
}

// reach asks for the version, by which the way there, its clock and the age of
// the backend show.
func (x *examination) reach(ctx context.Context) bool {
	began := time.Now()
	version, err := x.client.Version(ctx)
	took := time.Since(began)
	way := ""
	if req, e := http.NewRequest(http.MethodGet, x.out.URL, nil); e == nil {
		if proxy, e := http.ProxyFromEnvironment(req); e == nil && proxy != nil {
			way = " through the proxy " + proxy.Host
		}
	}
	if err != nil {
		hint := ""
		if way != "" {
			hint = "the variables HTTPS_PROXY and NO_PROXY say which way is taken"
		}
		text := err.Error()
		var t *wire.TransportError
		if errors.As(err, &t) && t.Hint != "" {
			hint = strings.TrimSpace(t.Hint + "; " + hint)
			hint = strings.TrimSuffix(hint, ";")
			text = fmt.Sprintf("%s: %s", t.URL, t.Reason)
		}
		x.add("reachable", Trouble, wire.CleanText(text)+way, hint)
		return false
	}
	x.fine("reachable", "%s%s, in %s", x.out.URL, way, max(took.Round(time.Millisecond), time.Millisecond))
	x.fine("backend", "version %s", wire.CleanText(cmp.Or(version, "unknown")))
	if d := x.client.Deprecation(); d.Message != "" {
		x.add("backend", Doubt, wire.CleanText(d.Message), "")
	}
	x.clock(ctx)
	return true
}

// clock compares this machine's clock with the deployment's: dates of batches
// and certificates are read by both.
func (x *examination) clock(ctx context.Context) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, x.out.URL+"/version", nil)
	if err != nil {
		return
	}
	began := time.Now()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return
	}
	res.Body.Close()
	theirs, err := http.ParseTime(res.Header.Get("Date"))
	if err != nil {
		return // it tells no time
	}
	apart := theirs.Sub(began.Add(time.Since(began) / 2)).Round(time.Second)
	if apart.Abs() > clocksApart {
		x.add("clock", Doubt, fmt.Sprintf("the deployment's clock is %s from this machine's", apart), "set this machine's clock: ages and rates on the screen go by it")
		return
	}
	x.fine("clock", "within %s of this machine's", max(apart.Abs(), time.Second))
}

// admitted proves the key and says what it may do.
func (x *examination) admitted(ctx context.Context) bool {
	access, err := x.client.CheckAdminKey(ctx)
	var status *wire.HTTPError
	switch {
	case errors.As(err, &status) && status.Refused():
		x.add("access", Trouble, "the deployment refuses the key: "+wire.CleanText(cmp.Or(status.Message, status.Code)), "make a deploy key of this deployment (dashboard: Settings, Deploy Keys)")
		return false
	case err != nil:
		x.failed("access", Trouble, err, "")
		return false
	}
	x.access = access
	if name, err := x.client.InstanceName(ctx); err == nil && name != "" {
		x.out.Deployment = name
		if x.e.Deployment != "" && name != x.e.Deployment {
			x.add("deployment", Trouble, fmt.Sprintf("%s answers, not %s", name, x.e.Deployment), "mend the url or the deployment in strait.toml")
			return false
		}
		x.fine("deployment", "%s", name)
	}
	x.may()
	return true
}

// abilities are what Strait does with a deployment, and which operations a key
// needs for it (convex-wire.md 1.2). What misses the first is of no use.
var abilities = []struct {
	name string
	ops  []string
}{
	{"watch", []string{"ViewData"}},
	{"census", []string{"ViewData", "RunTestQuery"}},
	{"dry run", []string{"RunInternalMutations"}},
	{"run", []string{"RunInternalMutations"}},
	{"step", []string{"RunInternalMutations"}},
	{"cancel", []string{"RunInternalMutations", "WriteData"}},
	{"deploy", []string{"Deploy"}},
	{"logs", []string{"ViewLogs"}},
	{"backup", []string{"CreateBackups", "ViewBackups", "DownloadBackups"}},
}

func (x *examination) may() {
	var can, lacks []string
	state := Fine
	for _, a := range abilities {
		var missing []string
		for _, op := range a.ops {
			if !x.access.Allows(op) {
				missing = append(missing, op)
			}
		}
		switch {
		case missing == nil:
			can = append(can, a.name)
		case a.name == "watch":
			state = Trouble
			fallthrough
		default:
			lacks = append(lacks, a.name+" (needs "+strings.Join(missing, ", ")+")")
			if state == Fine {
				state = Doubt
			}
		}
	}
	text := "accepted"
	if x.access.ReadOnly {
		text = "accepted, read-only"
	}
	if lacks == nil {
		x.fine("access", "%s; it may %s", text, strings.Join(can, ", "))
		return
	}
	if can != nil {
		text += "; it may " + strings.Join(can, ", ")
	}
	x.add("access", state, text+"; it may not "+strings.Join(lacks, ", "), "a deploy key with these permissions does more (dashboard: Settings, Deploy Keys)")
}

// deploys says whether Strait can deploy there.
func (x *examination) deploys() {
	switch err := x.e.CheckCommand(); {
	case x.e.Deploy == "":
		x.fine("deploy", `by hand: npx convex deploy; deploy = "npx convex deploy" in strait.toml lets Strait run it`)
	case err != nil:
		x.failed("deploy", Trouble, err, "")
	case !x.access.Allows("Deploy"):
		x.add("deploy", Trouble, "by "+x.e.Deploy+", but the key may not deploy", "give it a key that may")
	default:
		x.fine("deploy", "by %s", x.e.Deploy)
	}
}
