package local

import (
	"context"
	"errors"
	"fmt"
	"sort"
	"strings"
	"sync"
	"time"

	"strait/convex/jsrun"
	"strait/model/value"
)

// parallelJobs is how many scheduled functions run at once (12.6).
const parallelJobs = 8

// jobGone is the code of a mutation whose job was canceled before it began.
const jobGone = "JobCanceled"

// scheduler runs scheduled functions when they are due, and only while the
// deployment is not paused.
type scheduler struct {
	d    *Deployment
	wake chan struct{}

	mu      sync.Mutex
	running map[jobRef]bool
	swept   time.Time
}

type jobRef struct {
	component string
	id        [16]byte
}

func newScheduler(d *Deployment) *scheduler {
	return &scheduler{d: d, wake: make(chan struct{}, 1), running: map[jobRef]bool{}}
}

// poke makes the scheduler look again.
func (s *scheduler) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *scheduler) loop() {
	for {
		s.d.mu.Lock()
		news := s.d.news
		s.d.mu.Unlock()
		timer := time.NewTimer(s.dispatch())
		select {
		case <-s.d.ctx.Done():
			timer.Stop()
			return
		case <-s.wake:
		case <-news:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// dispatch starts what is due and returns how long nothing else will be.
func (s *scheduler) dispatch() time.Duration {
	const idle = time.Hour
	s.sweep()
	if s.d.paused.Load() || s.d.held.Load() {
		return idle
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.d.now()
	jobs := s.waiting()
	for _, j := range jobs {
		if len(s.running) >= parallelJobs {
			return idle // whoever ends pokes
		}
		if wait := j.due.Sub(now); wait > 0 {
			return min(max(wait, time.Millisecond), idle) // however still the clock stands
		}
		s.running[j.ref] = true
		s.d.work.Go(func() {
			s.run(j.ref)
			s.mu.Lock()
			delete(s.running, j.ref)
			s.mu.Unlock()
			s.poke()
		})
	}
	return idle
}

type waitingJob struct {
	ref jobRef
	due time.Time
}

// waiting lists the jobs that may start next, by time; s.mu is held.
func (s *scheduler) waiting() []waitingJob {
	var out []waitingJob
	for path, sp := range s.d.latest.Load().spaces {
		t := sp.table(scheduledTable)
		if t.index("by_next").tree.Len() == 0 {
			continue
		}
		for _, h := range sp.dueJobs(time.Time{}, parallelJobs+len(s.running)) {
			ref := jobRef{path, h.doc.id}
			if s.running[ref] {
				continue
			}
			if j := readJob(t, h.doc); j.State == jobPending {
				out = append(out, waitingJob{ref, j.At})
			}
		}
	}
	sort.Slice(out, func(i, j int) bool { return out[i].due.Before(out[j].due) })
	return out
}

// run runs one job to its end.
func (s *scheduler) run(ref jobRef) {
	sp := s.d.latest.Load().space(ref.component)
	t := sp.table(scheduledTable)
	doc := t.get(ref.id)
	if doc == nil {
		return
	}
	j := readJob(t, doc)
	r := call{
		Request: Request{
			Component: j.Component, Path: j.Path, Args: firstArgument(j.Args), Admin: true, Caller: "Scheduler",
		},
		job: &jobRun{ref.component, value.ID{Table: scheduledNumber, Internal: ref.id}},
	}
	switch typ := s.typeOf(j); typ {
	case jsrun.Action:
		s.runAction(r)
		return
	case jsrun.Mutation, "": // a function that is gone fails like any call of it
	default:
		s.finish(r.job, jobPending, jobFailed, unsupported(j, typ))
		return
	}
	r.Type = jsrun.Mutation // whatever it has become meanwhile: only a mutation ends its job
	out := s.d.run(s.d.ctx, r)
	if out.Err == nil || out.Err.Code == jobGone || s.d.ctx.Err() != nil || out.Err.Message == pausedText {
		return
	}
	s.finish(r.job, jobPending, jobFailed, out.Err.Message)
}

func firstArgument(args string) string {
	v, err := value.Decode([]byte(args))
	if list, ok := v.(value.Array); err == nil && ok && len(list) == 1 {
		return string(value.Append(nil, list[0]))
	}
	return "{}"
}

// typeOf is the type of a job's function; "" when it is not there.
func (s *scheduler) typeOf(j ScheduledJob) jsrun.FunctionType {
	c := s.d.latest.Load().code.component(j.Component)
	if c == nil {
		return ""
	}
	f, _ := c.Function(j.Path)
	return f.Type
}

// unsupported is why a query or an HTTP action does not run as a job: Convex
// lets it be scheduled and fails it when it is due.
func unsupported(j ScheduledJob, typ jsrun.FunctionType) string {
	module, export, _ := strings.Cut(j.Path, ":")
	return fmt.Sprintf("Unsupported function type. %q in module %q%s is defined as a %s. Only %s and %s can be scheduled.",
		export, module+".js", inComponent(j.Component), typ, jsrun.Mutation, jsrun.Action)
}

// runAction runs an action at most once: it is marked before it begins.
func (s *scheduler) runAction(r call) {
	claimed := false
	err := s.d.host(r.job.component, "scheduler", func(tx *transaction) error {
		claimed = r.job.claim(tx)
		return nil
	})
	if err != nil || !claimed {
		return
	}
	job := r.job
	r.job = nil
	out := s.d.run(s.d.ctx, r)
	switch {
	case out.Err == nil:
		s.finish(job, jobInProgress, jobSuccess, "")
	case s.d.ctx.Err() != nil:
		s.finish(job, jobInProgress, jobFailed, "Transient error while executing action")
	default:
		s.finish(job, jobInProgress, jobFailed, out.Err.Message)
	}
}

// finish moves a job on that is still in the state it was in.
func (s *scheduler) finish(j *jobRun, from, to, failure string) {
	_, err := s.d.hostAt(context.WithoutCancel(s.d.ctx), j.component, "scheduler", func(tx *transaction) error {
		if old, doc, err := tx.job(j.component, j.id); err == nil && old != nil && stateOf(doc) == from {
			tx.setJob(j.component, old, doc, to, failure)
		}
		return nil
	})
	_ = err // the deployment is closed: nobody is left to read the state
}

// sweep deletes what finished more than seven days ago, once an hour.
func (s *scheduler) sweep() {
	now := s.d.now()
	s.mu.Lock()
	due := now.Sub(s.swept) >= time.Hour
	if due {
		s.swept = now
	}
	s.mu.Unlock()
	if !due {
		return
	}
	limit := float64(now.Add(-jobKeeps).UnixMilli())
	for path, sp := range s.d.latest.Load().spaces {
		old := sp.finishedBefore(limit)
		if len(old) == 0 {
			continue
		}
		err := s.d.host(path, "scheduler", func(tx *transaction) error {
			for _, id := range old {
				if d, doc, err := tx.job(path, id); err == nil && d != nil {
					tx.apply(path, scheduledTable, d, doc, nil, nil)
				}
			}
			return nil
		})
		if errors.Is(err, errClosed) {
			return
		}
	}
}

// finishedBefore lists jobs that finished before a time, in ms.
func (s *space) finishedBefore(limit float64) []value.ID {
	var out []value.ID
	s.table(scheduledTable).byTime.Scan(func(d *document) bool {
		if unsortable(d.created) >= limit {
			return false // made later, so finished later
		}
		doc, err := decodeDocument(d)
		if done, ok := doc.Get("completedTime"); err == nil && ok && value.Compare(done, limit) < 0 {
			out = append(out, value.ID{Table: scheduledNumber, Internal: d.id})
		}
		return len(out) < 1000
	})
	return out
}
