package ui

import (
	"cmp"
	"errors"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/convex/project"
	"strait/plan"
)

// steered reports whether this Strait drives the run batch by batch, so that
// keys change how it goes on and it stops when Strait ends.
func steered(r fleet.Run) bool { return active(r.State) && r.Control != nil }

// standsStill reports whether a steered run waits between two batches.
func standsStill(r fleet.Run) bool {
	return steered(r) && r.Control.Paused && !r.Control.InBatch && r.State != "canceling"
}

// stopsWithStrait says what becomes of a run when Strait ends.
func stopsWithStrait(r fleet.Run, d *project.Migration, embedded bool) bool {
	return embedded || r.Control != nil || d != nil && !d.GoesOn()
}

// choosesHow reports whether a migration can run in the background as well as
// batch by batch under this Strait.
func choosesHow(d *project.Migration) bool {
	return d != nil && (d.Driver == project.ComponentDriver && !d.Runner || len(d.Series) > 0)
}

// hasBatches reports whether Strait can make a migration's batches one by one.
func hasBatches(d *project.Migration) bool {
	return choosesHow(d) || d != nil && !d.Runner && d.Driver == project.PagedDriver
}

// blockedStep is why no single batch can be run now.
func blockedStep(m Root) string {
	f := m.focus()
	switch {
	case f.mig == "" || active(f.run.State):
		return blockedTune(m)
	case f.def != nil && !hasBatches(f.def):
		return short(f.mig) + " cannot be run batch by batch: it is " + string(f.def.Driver)
	}
	return blockedRun(m)
}

// blockedTune is why nothing can be set of a run. It can be paused while the
// connection is lost: what Strait drives, Strait holds.
func blockedTune(m Root) string {
	return firstOf(m, noMigration, func(m Root) string {
		f := m.focus()
		switch {
		case f.run.State == "canceling":
			return "cancelling after this batch"
		case steered(f.run):
			return ""
		case active(f.run.State):
			return short(f.mig) + " runs in the background and cannot be steered; c cancels it, then s or r goes on under supervision"
		}
		return cmp.Or(notReady(m), short(f.mig)+" does not run in "+f.env.Name+"; s runs one batch of it, r runs it supervised")
	})
}

// step runs one batch: of the supervised run that stands or goes on, else of
// a new one, which is asked about.
func (m Root) step() (Root, tea.Cmd) {
	f := m.focus()
	if !steered(f.run) {
		return m.openAsk(fleet.Command{Action: plan.ActRun, Env: m.env, Migration: f.mig, Supervised: true, Steps: 1, By: "screen"})
	}
	said := "one more batch of " + short(f.mig) + ", then it pauses"
	if f.run.Control.Paused {
		said = "one batch of " + short(f.mig)
	}
	return m.tune(fleet.Tuning{Steps: new(1)}, said)
}

// pause pauses a supervised run between two batches, or lets one that is paused
// go on.
func (m Root) pause() (Root, tea.Cmd) {
	f := m.focus()
	if f.run.Control.Paused {
		return m.tune(fleet.Tuning{Paused: new(false)}, short(f.mig)+" goes on to the end")
	}
	said := "pausing " + short(f.mig) + " after this batch"
	if !f.run.Control.InBatch {
		said = short(f.mig) + " pauses"
	}
	return m.tune(fleet.Tuning{Paused: new(true)}, said)
}

// The values that keys step through.
var (
	batchLadder = []int{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 4000}
	restLadder  = []time.Duration{0, 100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond,
		time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute}
)

// climb is the next value of a ladder above or below from.
func climb[T cmp.Ordered](ladder []T, from T, up bool) T {
	if up {
		for _, x := range ladder {
			if x > from {
				return x
			}
		}
		return max(from, ladder[len(ladder)-1])
	}
	for i := len(ladder) - 1; i >= 0; i-- {
		if ladder[i] < from {
			return ladder[i]
		}
	}
	return min(from, ladder[0])
}

// wish is what was asked for by the keys last pressed, so that the next press
// goes on from there before a snapshot confirms it.
type wish struct {
	env, mig string
	batch    int
	rest     time.Duration
	until    time.Time
}

// wishTime is how long a wish counts more than what a snapshot says.
const wishTime = time.Second

// wished is what is set of the focused run, or was just asked for.
func (m Root) wished(f focus) wish {
	if w := m.wish; w.env == m.env && w.mig == f.mig && m.now.Before(w.until) {
		return w
	}
	return wish{env: m.env, mig: f.mig, batch: nextBatch(f.run, f.def), rest: f.run.Control.Throttle}
}

// nextBatch is the size of a run's next batch.
func nextBatch(r fleet.Run, d *project.Migration) int {
	n := 0
	if r.Control != nil {
		n = r.Control.Batch
	}
	if d != nil {
		n = cmp.Or(n, d.BatchSize)
	}
	return cmp.Or(n, r.BatchSize, usualBatch)
}

// usualBatch is the batch size that the component takes where none is said.
const usualBatch = 100

func resize(up bool) func(Root) (Root, tea.Cmd) {
	return func(m Root) (Root, tea.Cmd) {
		m.wish = m.wished(m.focus())
		m.wish.batch, m.wish.until = climb(batchLadder, m.wish.batch, up), m.now.Add(wishTime)
		return m.tune(fleet.Tuning{Batch: new(m.wish.batch)}, "next batch: "+documents(int64(m.wish.batch)))
	}
}

func slowDown(more bool) func(Root) (Root, tea.Cmd) {
	return func(m Root) (Root, tea.Cmd) {
		m.wish = m.wished(m.focus())
		m.wish.rest, m.wish.until = climb(restLadder, m.wish.rest, more), m.now.Add(wishTime)
		return m.tune(fleet.Tuning{Throttle: new(m.wish.rest)}, restWord(m.wish.rest))
	}
}

func restWord(d time.Duration) string {
	if d <= 0 {
		return "no rest between batches"
	}
	return "rests " + span(d) + " between batches"
}

// tuned is how a change of a supervised run was taken.
type tuned struct {
	did
	t    fleet.Tuning
	said string
}

// tune hands a change of a supervised run to the engine.
func (m Root) tune(t fleet.Tuning, said string) (Root, tea.Cmd) {
	t.By = "screen"
	m, hush := m.raise(toastInfo, said)
	return m, tea.Batch(hush, m.sendTuning(fleet.Command{Env: m.env, Migration: m.focus().mig}, t, said))
}

func (m Root) sendTuning(c fleet.Command, t fleet.Tuning, said string) tea.Cmd {
	e := m.d.engine
	return func() tea.Msg { return tuned{did{c, e.Tune(c.Env, c.Migration, t)}, t, said} }
}

// tuned asks for the name of a protected environment that is read-only again,
// where the change would let more be written to it.
func (m Root) tuned(msg tuned) (Root, tea.Cmd) {
	var refused *fleet.Refused
	f, ok := m.focusOf(msg.cmd)
	if !ok || m.ask.kind != askNothing || !errors.As(msg.err, &refused) || len(refused.Reasons) == 0 || refused.Reasons[0].Code != "protected" {
		return m.did(msg.did)
	}
	m.now, m.wish, m.toast = m.d.now(), wish{}, toast{id: m.toast.id}
	m.ask = ask{kind: askTune, tune: msg.t, cmd: msg.cmd, prod: true, word: f.env.Name, yes: "change it",
		title: "Change the run of " + short(f.mig) + " in " + f.env.Name + "?",
		facts: [][2]string{{"target", targetOf(f.env)}, {"change", msg.said}},
		notes: []string{f.env.Name + " is read-only again, and this lets more be written to it. Without it the run can be paused, slowed down and canceled."}}
	return m, nil
}

// drawMode says who drives a run, and so what happens when Strait ends.
func (m Root) drawMode(p *pen, f focus) {
	l, r := m.l, f.run
	if !active(r.State) {
		return
	}
	sep := " " + l.g.dot + " "
	if !steered(r) {
		p.to(3)
		switch {
		case f.env.Embedded:
			p.put(l.dim, "in the background: the embedded environment drives it").put(l.dim, sep+"ends with Strait")
		case stopsWithStrait(r, f.def, false):
			p.put(l.warn, "driven by this Strait").put(l.dim, sep+"stops when Strait quits")
		case !r.Mine:
			p.put(l.run, "in the background").put(l.dim, ", started elsewhere").put(l.dim, sep+"goes on when Strait quits")
		default:
			p.put(l.run, "in the background").put(l.dim, sep+"goes on when Strait quits")
		}
		p.end()
		return
	}
	c := r.Control
	p.to(1).put(l.badgeWarn, " SUPERVISED ")
	if p.w >= 70 {
		p.put(l.text, " from here, batch by batch")
	}
	p.put(l.dim, sep+"stops when Strait quits").end()
	p.to(3)
	switch {
	case c.Paused && c.InBatch:
		p.put(l.warn, l.g.paused+" pauses after this batch")
	case c.Paused:
		p.put(l.warn, l.g.paused+" paused between two batches")
	case c.Steps >= 0:
		p.put(l.run, batches(c.Steps)+", then it pauses")
	default:
		p.put(l.run, "to the end")
	}
	word := func(text string) {
		if width(text)+3 > p.room() {
			p.end().to(3).put(l.text, text)
			return
		}
		p.put(l.dim, sep).put(l.text, text)
	}
	word("next batch " + count(int64(nextBatch(r, f.def))))
	word(restWord(c.Throttle))
	p.end().to(3)
	pause := "pause"
	if c.Paused {
		pause = "go on"
	}
	p.put(l.key, "s").put(l.dim, " one batch   ").put(l.key, "p").put(l.dim, " "+pause+"   ").put(l.key, "+ -").put(l.dim, " batch size   ").put(l.key, "< >").put(l.dim, " rest   ").put(l.key, "c").put(l.dim, " cancel").end()
}

// blockedDisarm is why an environment cannot be made read-only again.
func blockedDisarm(m Root) string {
	switch f := m.focus(); {
	case f.env == nil || !f.env.Protected:
		return "only a protected environment is ever read-only"
	case f.env.ArmedUntil.IsZero():
		return f.env.Name + " is read-only as it is"
	}
	return ""
}

func (m Root) disarm() (Root, tea.Cmd) {
	e, env := m.d.engine, m.env
	m, hush := m.raise(toastInfo, env+" is read-only again")
	return m, tea.Batch(hush, func() tea.Msg { return did{fleet.Command{Env: env}, e.Disarm(env, "screen")} })
}
