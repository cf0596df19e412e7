package fleet

import (
	"context"
	"time"

	"strait/convex/wire"
)

// A schema that is pushed is pending while the deployment checks its documents
// (convex-wire.md 10.4). When it is refused it vanishes, as it does when
// another push takes its place: why is told to whoever pushed it, by the id
// that it was given.

// vanished says of a pending schema that did not become active what can be
// known.
const vanished = "it was refused, or another push took its place; whoever pushed it was told why"

// pending takes the pending schema of the root, by its hash; "" none. f.mu is
// held.
func (e *env) pending(hash string, now time.Time) {
	old := e.pendingHash
	e.pendingHash = hash
	if hash == old {
		return
	}
	if old != "" {
		e.validated("", e.hash == old)
	}
	if hash != "" {
		e.validation = &Validation{Total: -1, Since: now}
	}
}

// validated ends the validation of a component's schema. f.mu is held.
func (e *env) validated(component string, active bool) {
	v := e.validation
	if v == nil || v.Component != component || v.Err != "" {
		return
	}
	if active {
		e.validation = nil
		return
	}
	ended := *v
	ended.Err = vanished
	e.validation = &ended
	what := "the schema that was being checked"
	if component != "" {
		what += " in component " + component
	}
	e.f.say("warn", e.cfg.Name, what+" did not become active: "+vanished)
}

// gotProgress takes how far the validation of a component's schema is.
func (e *env) gotProgress(component string, p wire.SchemaProgress, err error) {
	if err != nil {
		return // an older backend: it is not shown
	}
	e.f.change(func() {
		v := e.validation
		switch {
		case !p.Pending:
			return
		case v == nil || v.Err != "":
			v = &Validation{Component: component, Since: e.f.now()}
		case v.Component != component:
			return // one is shown at a time
		}
		now := *v
		now.Checked, now.Total = p.Validated, p.Total
		e.validation = &now
		e.wake()
	})
}

// gotPushOf follows the push of a component's schema. The schemas are read
// only when one is pending: they are large, and nothing else needs them.
func (s *statuses) gotPushOf(c wire.ComponentInfo, p wire.SchemaProgress, err error) {
	e := s.w.e
	e.gotProgress(c.Path, p, err)
	s.mu.Lock()
	submitted, follows := s.submitted[c.Path]
	s.mu.Unlock()
	if err != nil || p.Pending == follows {
		return
	}
	ctx, cancel := context.WithTimeout(s.w.ctx, answersWithin)
	defer cancel()
	schemas, err := s.w.client.Schemas(ctx, c.ID)
	s.mu.Lock()
	switch {
	case !p.Pending:
		delete(s.submitted, c.Path)
	case err == nil && schemas.InProgress != nil:
		s.submitted[c.Path] = schemas.InProgress.Hash()
	default:
		s.submitted[c.Path] = ""
	}
	s.mu.Unlock()
	if p.Pending {
		return
	}
	e.f.change(func() {
		unknown := err != nil || submitted == ""
		e.validated(c.Path, unknown || schemas.Active != nil && schemas.Active.Hash() == submitted)
		e.wake()
	})
}

func (e *env) gotSchemas(s wire.Schemas, err error) {
	record := func() {}
	defer func() { record() }()
	e.f.change(func() {
		now := e.f.now()
		e.heard = now
		if err != nil {
			e.problem = "its active schema cannot be read: " + err.Error()
			e.activeKnown, e.active = false, nil
			return
		}
		e.facts.ages.Schema = now
		hash, pending := "", ""
		if s.Active != nil {
			hash = s.Active.Hash()
		}
		if s.InProgress != nil {
			pending = s.InProgress.Hash()
		}
		defer e.wake()
		defer e.pending(pending, now)
		if e.activeKnown && hash == e.hash {
			return
		}
		if e.schemaSeen && hash != e.hash {
			e.lastPush = now
			e.f.say("info", e.cfg.Name, "the active schema changed")
		}
		e.active, e.activeKnown, e.schemaSeen, e.hash = s.Active, true, true, hash
		record = e.pushSeen()
		e.maybeReady()
	})
}
