package local

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync/atomic"

	"strait/model/schema"
	"strait/model/value"
)

// schemaState is where a submitted schema stands (convex-wire.md 10.4).
type schemaState string

const (
	schemaPending     schemaState = "pending"
	schemaValidated   schemaState = "validated"
	schemaActive      schemaState = "active"
	schemaFailed      schemaState = "failed"
	schemaOverwritten schemaState = "overwritten"
)

// submission is one submitted schema. A component has at most one that is
// pending or validated: writes are checked against it.
type submission struct {
	id        string
	component string
	target    *schema.Schema
	byName    map[string]*schema.Table // of target, when it is to be enforced
	validated atomic.Int64
	total     int64
	begun     atomic.Bool // validation in the background

	state   schemaState // guarded by Deployment.mu, as is what follows
	failed  *PushError
	indexes []indexConfig // that were asked for along with it; built when it is put in force
}

// errOverwritten is what a push gets when another one has submitted a schema
// of the same component since, in the CLI's words.
//
//lint:ignore ST1005 the CLI's own text
var errOverwritten = errors.New("Schema was overwritten by another push.")

// schemasTable is the number of the system table whose ids name schemas.
const schemasTable = 521

// maxSubmitted bounds the submissions remembered for those who ask by id.
const maxSubmitted = 64

// submit makes the schemas pending, so that writes are checked from here on.
// One that equals its component's active schema is that schema; either way a
// schema pending there is overwritten. With reuse one that equals the pending
// or validated one is that one, as on Convex.
func (d *Deployment) submit(targets map[string]*schema.Schema, reuse bool) map[string]*submission {
	d.mu.Lock()
	defer d.mu.Unlock()
	latest := d.latest.Load()
	touched := map[string]struct{}{}
	subs := map[string]*submission{}
	for path, s := range targets {
		if s == nil {
			continue
		}
		touched[path] = struct{}{}
		sp := latest.space(path)
		standing := d.pending[path]
		if reuse && standing != nil && standing.target.Hash() == s.Hash() {
			subs[path] = standing
			continue
		}
		d.drop(standing, schemaOverwritten)
		if sp != nil && sp.schema.id != "" && sp.schema.active.Hash() == s.Hash() {
			if active := d.submission(sp.schema.id); active != nil {
				subs[path] = active
				continue
			}
		}
		p := &submission{id: d.schemaID(), component: path, target: s, byName: newSchemaVersion(s).byName, state: schemaPending}
		if sp != nil {
			for _, t := range sp.toCheck(s) {
				p.total += int64(t.byID.Len())
			}
		}
		d.pending[path], subs[path] = p, p
		d.remember(p)
	}
	d.tellSchemas(touched)
	return subs
}

func (d *Deployment) schemaID() string {
	id := value.ID{Table: schemasTable}
	d.random.fill(id.Internal[:])
	return id.String()
}

// remember keeps the submission, and of the others the newest and those that
// still count. d.mu is held.
func (d *Deployment) remember(p *submission) {
	kept := d.submitted[:0]
	spare := len(d.submitted) + 1 - maxSubmitted
	for _, old := range d.submitted {
		if spare > 0 && (old.state == schemaFailed || old.state == schemaOverwritten) {
			spare--
			continue
		}
		kept = append(kept, old)
	}
	clear(d.submitted[len(kept):])
	d.submitted = append(kept, p)
}

// submission finds a submission by its id; nil when it is not remembered.
// d.mu is held.
func (d *Deployment) submission(id string) *submission {
	for _, p := range d.submitted {
		if p.id == id {
			return p
		}
	}
	return nil
}

// drop takes a submission out of the pending ones. d.mu is held.
func (d *Deployment) drop(p *submission, state schemaState) {
	if p == nil || p.state != schemaPending && p.state != schemaValidated {
		return
	}
	p.state = state
	if d.pending[p.component] == p {
		delete(d.pending, p.component)
	}
}

// fail notes the document that does not fit. d.mu is held.
func (d *Deployment) fail(p *submission, err *PushError) {
	if p.state == schemaPending || p.state == schemaValidated {
		p.failed = err
		d.drop(p, schemaFailed)
	}
}

// standing is why a submission can no longer be put in force. d.mu is held.
func (p *submission) standing() error {
	switch p.state {
	case schemaFailed:
		return p.failed
	case schemaOverwritten:
		return errOverwritten
	}
	return nil
}

// ready is why a submission cannot be put in force now. d.mu is held.
func (p *submission) ready() error {
	if p.state == schemaPending {
		return &PushError{Component: p.component, Message: "The schema is still being validated: wait for it, then finish the push."}
	}
	return p.standing()
}

func (d *Deployment) stands(p *submission) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return p.standing()
}

func (d *Deployment) stateOf(p *submission) schemaState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return p.state
}

// settle marks a submission validated, unless something came in between.
func (d *Deployment) settle(p *submission) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.state == schemaPending {
		p.state = schemaValidated
		d.tellSchemas(map[string]struct{}{p.component: {}})
	}
	return p.standing()
}

// refuse ends a validation that did not come to its end, or found a document
// that does not fit.
func (d *Deployment) refuse(p *submission, err error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var bad *PushError
	if errors.As(err, &bad) && p.standing() == nil {
		d.fail(p, bad)
		d.tellSchemas(map[string]struct{}{p.component: {}})
	}
	return err
}

// withdraw takes back what a push has submitted and not put in force.
func (d *Deployment) withdraw(subs map[string]*submission) {
	d.mu.Lock()
	defer d.mu.Unlock()
	touched := map[string]struct{}{}
	for path, p := range subs {
		d.drop(p, schemaOverwritten)
		touched[path] = struct{}{}
	}
	d.tellSchemas(touched)
}

// inForce notes that the submissions of a release are the active schemas now.
// d.mu is held.
func (d *Deployment) inForce(r *release) {
	for path := range r.targets {
		if sp := d.latest.Load().space(path); sp != nil && sp.schema.id != "" {
			if old := d.submission(sp.schema.id); old != nil && old != r.subs[path] {
				old.state = schemaOverwritten
			}
		}
		d.drop(d.pending[path], schemaOverwritten)
		if p := r.subs[path]; p != nil {
			p.state = schemaActive
		}
	}
}

// validateLater validates in the background, each submission once, however
// often it is submitted again. A failure is told by the state.
func (d *Deployment) validateLater(subs map[string]*submission) error {
	subs = maps.Clone(subs)
	maps.DeleteFunc(subs, func(_ string, p *submission) bool { return !p.begun.CompareAndSwap(false, true) })
	ctx, leave, err := d.enter(context.Background())
	if err != nil {
		return err
	}
	go func() {
		defer leave()
		for _, path := range slices.Sorted(maps.Keys(subs)) {
			_ = d.validateOne(ctx, subs[path]) // components know nothing of each other's
		}
	}()
	return nil
}

// tellSchemas wakes who watches schemas or their progress; d.mu is held.
func (d *Deployment) tellSchemas(components map[string]struct{}) {
	latest := d.latest.Load()
	d.publish(&snapshot{code: latest.code, spaces: latest.spaces}, &commit{source: "push", schemas: components}, 0)
}
