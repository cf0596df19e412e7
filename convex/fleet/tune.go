package fleet

import (
	"crypto/rand"
	"fmt"
	"time"

	"strait/plan"
)

// Tune changes a supervised run between two batches: pause and go on, so many
// steps, another batch size, another rest. The batch in flight is not touched,
// and the change is recorded before it holds. The error is a *Refused when
// Strait drives no such run there, when the setting makes no sense, or when it
// would let more be written to a protected environment that is read-only again.
func (f *Fleet) Tune(env, migration string, t Tuning) error {
	f.mu.Lock()
	run, err := f.tunable(env, migration, t)
	if err != nil {
		f.mu.Unlock()
		return err
	}
	e, d := f.env(env), run.driver
	x, must := e.tuning(run, t), !e.embedded && !d.eases(t)
	f.mu.Unlock()
	if err := f.journal.write(x); err != nil {
		if must {
			return fmt.Errorf("%s goes on as it was, because the change could not be recorded: %w", x.Migration, err)
		}
		f.change(func() { f.say("warn", env, err.Error()) })
	}
	defer f.changed.fire()
	f.mu.Lock()
	defer f.mu.Unlock()
	if run, err = f.tunable(env, migration, t); err == nil && run.driver != d {
		err = refusedTuning(env, "not-supervised", "the run that it was meant for has ended", "look at how it ended first")
	}
	if err != nil {
		return err
	}
	d.tune(t)
	if e.cfg.Protected && t.Typed == env {
		e.armedUntil = f.now().Round(0).Add(armFor)
	}
	return nil
}

// Disarm makes a protected environment read-only again at once: what Strait
// drives there pauses after its batch. What a component runs goes on.
func (f *Fleet) Disarm(name, by string) error {
	x := entry{At: f.now(), ID: rand.Text()[:12], Phase: "tuned", Action: "disarm", Env: name, By: by}
	known := false
	f.change(func() {
		e := f.env(name)
		if known = e != nil; !known {
			return
		}
		x.Deployment, x.URL, e.armedUntil = e.place, e.url, time.Time{}
		for _, t := range e.runs {
			if e.cfg.Protected && t.driver != nil {
				t.driver.Paused = true
			}
		}
	})
	if !known {
		return fmt.Errorf("no environment %q", name)
	}
	return f.journal.write(x)
}

func refusedTuning(env, code, why, hint string) error {
	return &Refused{Env: env, Action: plan.ActRun, Reasons: []plan.Refusal{{Code: code, Why: why, Hint: hint}}}
}

// tunable finds the run that a tuning is for. f.mu is held.
func (f *Fleet) tunable(env, migration string, t Tuning) (*tracker, error) {
	e := f.env(env)
	if e == nil {
		return nil, refusedTuning(env, "unknown", fmt.Sprintf("no environment %q", env), "")
	}
	if m, err := findMigration(f.project, migration); err == nil {
		migration = m.Name
	}
	switch {
	case t.Batch != nil && *t.Batch < 0:
		return nil, refusedTuning(env, "bad-batch", fmt.Sprintf("a batch of %d documents", *t.Batch), "give a size above 0, or 0 for the definition's")
	case t.Steps != nil && *t.Steps < 1:
		return nil, refusedTuning(env, "bad-steps", fmt.Sprintf("%d steps", *t.Steps), "give a number above 0; to go on to the end, resume it")
	case t.Throttle != nil && *t.Throttle < 0:
		return nil, refusedTuning(env, "bad-throttle", fmt.Sprintf("a rest of %v", *t.Throttle), "give 0 or more")
	}
	run := e.runs[migration]
	if run == nil || run.driver == nil {
		hint := "start it supervised: then it can be paused, stepped and slowed down"
		if r := e.show(migration); r.active() {
			hint = "it goes on by itself there; cancel it and start it supervised, it goes on where it stopped"
		}
		return nil, refusedTuning(env, "not-supervised", fmt.Sprintf("this Strait drives no run of %s in %s batch by batch", migration, env), hint)
	}
	switch {
	case t.Typed != "" && t.Typed != env:
		return nil, refusedTuning(env, "typed-wrong", fmt.Sprintf("%q is not the name of the environment", t.Typed), "type "+env)
	case e.cfg.Protected && t.Typed == "" && !f.now().Before(e.armedUntil) && !run.driver.eases(t):
		return nil, refusedTuning(env, "protected", env+" is protected and read-only again", "type its name, "+env+", to let more be written; it can be paused, slowed down and canceled as it is")
	}
	return run, nil
}

// eases reports whether a tuning lets no more be written than before.
func (d *driver) eases(t Tuning) bool {
	switch {
	case t.Steps != nil && (d.Paused || d.Steps >= 0 && *t.Steps > d.Steps):
		return false
	case t.Paused != nil && !*t.Paused && (d.Paused || d.Steps >= 0):
		return false
	case t.Batch != nil && *t.Batch != d.Batch && (*t.Batch == 0 || d.Batch == 0 || *t.Batch > d.Batch):
		return false
	}
	return t.Throttle == nil || *t.Throttle >= d.Throttle
}

// tuning is what the journal keeps of a tuning. f.mu is held.
func (e *env) tuning(run *tracker, t Tuning) entry {
	x := entry{
		At: e.f.now(), ID: run.driver.id, Phase: "tuned", Action: "tune", Env: e.cfg.Name, Deployment: e.place, URL: e.url,
		Migration: run.run.Migration, Supervised: true, By: t.By, Typed: t.Typed != "", Paused: t.Paused, Steps: t.Steps, Batch: t.Batch,
	}
	if t.Throttle != nil {
		x.Throttle = t.Throttle.String()
	}
	return x
}

func (d *driver) tune(t Tuning) {
	if t.Paused != nil {
		d.Paused = *t.Paused
		if !d.Paused {
			d.Steps = -1
		}
	}
	if t.Steps != nil {
		d.Steps, d.Paused = *t.Steps, false
	}
	if t.Batch != nil {
		d.Batch = *t.Batch
	}
	if t.Throttle != nil {
		d.Throttle = *t.Throttle
	}
}
