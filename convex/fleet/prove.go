package fleet

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"time"

	"strait/convex/project"
	"strait/convex/prove"
	"strait/model/schema"
	"strait/plan"
)

// proving is a proof that is being searched for.
type proving struct {
	c      Command
	o      ProveOptions
	id     string
	run    ProofRun
	env    *env // whose documents are taken; nil none
	ctx    context.Context
	cancel context.CancelFunc

	// Guarded by the fleet's mutex.
	over   bool
	err    error
	proofs []plan.Proof
}

// Prove searches for counterexamples without any environment: From says which
// schema the old documents follow, and without it the schemas that strait.toml
// names do. It writes the journal like the fleet does.
func Prove(ctx context.Context, p *project.Project, o ProveOptions, told func(ProofRun)) ([]plan.Proof, error) {
	if o.Env != "" {
		return nil, errors.New("prove: the documents of an environment are read by an open fleet")
	}
	active, err := fromSchema(ctx, p, o.From)
	if err != nil {
		return nil, err
	}
	j := newJournal(p.Root)
	defer j.close()
	x := &prover{p: p, o: o, journal: j, now: time.Now, id: rand.Text()[:12], by: "cli", told: told, reveal: o.Reveal && o.Export != ""}
	rows, err := rowsFrom(ctx, p, active)
	if err != nil {
		return nil, err
	}
	var sample *prove.Sample
	if o.Export != "" {
		if sample, err = sampleExport(ctx, o.Export, changing(chosenRows(rows, o.Rows))); err != nil {
			return nil, err
		}
	}
	out, err := x.search(ctx, rows, active, nil, sample)
	if !o.Reveal {
		out = maskProofs(p.Schema, out)
	}
	return out, err
}

// rowsFrom are the rows that lead from a schema to the project's.
func rowsFrom(ctx context.Context, p *project.Project, from *schema.Schema) ([]plan.Row, error) {
	code, err := p.Code(ctx)
	if err != nil {
		return nil, err
	}
	return prove.Rows(plan.Input{Target: p.Schema, Definitions: Definitions(p.Migrations), Code: code}, from), nil
}

// fromSchema is the schema that documents follow before the migrations: the one
// that is named, else what strait.toml says of its environments, together.
func fromSchema(ctx context.Context, p *project.Project, spec string) (*schema.Schema, error) {
	if p.Schema == nil {
		return nil, errors.New("prove: the project has no target schema that loads; strait inspect says what is wrong with it")
	}
	if spec != "" {
		s, err := project.LoadSchema(ctx, p.Root, spec)
		if err == nil && s == nil {
			err = errors.New("there is no schema")
		}
		if err != nil {
			return nil, fmt.Errorf("prove: the schema to start from, %q: %w", spec, err)
		}
		return s, nil
	}
	var out *schema.Schema
	seen := map[string]bool{}
	for _, e := range p.Config.Envs {
		for _, spec := range []string{e.Documents, e.Schema} {
			if spec == "" || spec == "target" || spec == "widened" || seen[spec] {
				continue
			}
			seen[spec] = true
			s, err := project.LoadSchema(ctx, p.Root, spec)
			if err != nil {
				return nil, fmt.Errorf("prove: the schema of environment %s, %q: %w", e.Name, spec, err)
			}
			out = widest(out, s)
		}
	}
	if out == nil {
		return nil, errors.New("prove: nothing says what the documents look like before the migrations\nhint: name the schema that is deployed, as a file or a revision: --from git:main")
	}
	return out, nil
}

// widest accepts what either schema accepts; nil is none.
func widest(a, b *schema.Schema) *schema.Schema {
	switch {
	case a == nil:
		return b
	case b == nil || a.Hash() == b.Hash():
		return a
	}
	return schema.WidenSchemas(a, b)
}

// prover is one search with its two entries in the journal.
type prover struct {
	p       *project.Project
	o       ProveOptions
	journal *journal
	now     func() time.Time
	id, by  string
	env     string
	place   string
	reveal  bool
	told    func(ProofRun)
}

func (x *prover) search(ctx context.Context, rows []plan.Row, active, widened *schema.Schema, sample *prove.Sample) ([]plan.Proof, error) {
	if rows = chosenRows(rows, x.o.Rows); len(rows) == 0 {
		if len(x.o.Rows) > 0 {
			return nil, fmt.Errorf("prove: no breaking change is called %s, nor is one of a table of that name", strings.Join(x.o.Rows, " or "))
		}
		return []plan.Proof{}, nil
	}
	began := x.now()
	asked := entry{At: began, ID: x.id, Phase: "asked", Action: string(plan.ActProve), Env: x.env, Deployment: x.place, By: x.by, Reveal: x.reveal, Schema: x.p.Schema.Hash()}
	_ = x.journal.write(asked) // nothing is written anywhere else: a proof goes on without its record
	proofs, err := prove.Run(ctx, prove.Options{
		App: x.p.App, Migrations: x.p.Migrations, Rows: rows, Active: active, Widened: widened, Target: x.p.Schema,
		Documents: x.o.Documents, Seed: x.o.Seed, Sample: sample, Now: x.now,
		Progress: func(p prove.Progress) {
			if x.told != nil {
				x.told(ProofRun{Started: began, Row: p.Row, Rows: p.Rows, Of: p.Of, Documents: p.Documents})
			}
		},
	})
	answer := asked
	answer.At, answer.Phase, answer.Outcome, answer.Seed = x.now(), "answered", "ok", cmp.Or(x.o.Seed, 1)
	if err != nil {
		answer.Outcome, answer.Error = "failed", recorded(err)
	}
	for _, p := range proofs {
		if answer.Verdicts == nil {
			answer.Verdicts = map[string]plan.Verdict{}
		}
		answer.Verdicts[p.Title] = p.Verdict
		answer.Processed += int64(p.Documents)
	}
	_ = x.journal.write(answer) // as above
	return proofs, err
}

// chosenRows are the rows that are asked for, by title, table or path.
func chosenRows(rows []plan.Row, names []string) []plan.Row {
	var out []plan.Row
	for _, r := range rows {
		if len(r.Changes) == 0 {
			continue
		}
		wanted := len(names) == 0
		for _, n := range names {
			wanted = wanted || n == r.Title || n == r.Table || n == r.Path
		}
		if wanted {
			out = append(out, r)
		}
	}
	return out
}

// beginProof starts a search in the background. There is one at a time.
func (f *Fleet) beginProof(c Command) (*proving, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.loading:
		return nil, errors.New("the project is still being loaded")
	case f.project == nil:
		return nil, fmt.Errorf("no project: %s", f.err)
	case f.proving != nil:
		return nil, &Refused{Env: c.Env, Action: c.Action, Reasons: []plan.Refusal{{Code: "running", Why: "a proof is being searched for", Hint: "wait until it ends, or cancel it"}}}
	}
	s := &proving{c: c, id: rand.Text()[:12], run: ProofRun{Started: f.now()}}
	if c.Prove != nil {
		s.o = *c.Prove
	}
	s.o.Env = cmp.Or(s.o.Env, c.Env)
	if s.o.Env != "" {
		if s.env = f.env(s.o.Env); s.env == nil {
			return nil, fmt.Errorf("no environment %q", s.o.Env)
		}
		if s.env.state != Ready {
			return nil, &Refused{Env: s.o.Env, Action: c.Action, Reasons: []plan.Refusal{{Code: "unreachable", Why: cmp.Or(s.env.problem, s.o.Env+" is not connected"), Hint: "wait until it is connected, or prove without its documents"}}}
		}
	}
	s.ctx, s.cancel = context.WithCancel(f.ctx)
	f.proving = s
	f.changed.fire()
	return s, nil
}

// performProof searches, and shows what it finds.
func (f *Fleet) performProof(s *proving) {
	defer s.cancel()
	err := errors.New("internal error")
	var found []plan.Proof
	defer func() {
		f.change(func() {
			s.over, s.err, s.proofs = true, err, found
			f.proving = nil
			switch {
			case s.ctx.Err() != nil && err != nil:
				f.say("info", s.o.Env, "the search for counterexamples was stopped")
			case err != nil:
				f.say("error", s.o.Env, firstLine(err.Error()))
			default:
				f.proofs = s.kept(f.project.Schema, found)
			}
		})
	}()
	found, err = f.searchProof(s)
}

// kept are the proofs found, with what is shown of them where values are not.
func (s *proving) kept(target *schema.Schema, found []plan.Proof) proofs {
	return proofs{all: found, masked: maskProofs(target, found), env: s.env, export: s.o.Export != "" && !s.o.Reveal}
}

func (f *Fleet) searchProof(s *proving) ([]plan.Proof, error) {
	f.mu.Lock()
	p, j := f.project, f.journal
	made := plan.Make(f.input())
	var active, widened *schema.Schema
	place := ""
	for i, e := range f.envs {
		if s.env != nil && e != s.env || e.active == nil {
			continue
		}
		active, widened = widest(active, e.active), widest(widened, made.Envs[i].Widened)
	}
	if s.env != nil {
		place = s.env.place
	}
	f.mu.Unlock()
	rows := made.Rows
	if s.o.From != "" || active == nil {
		from, err := fromSchema(s.ctx, p, s.o.From)
		if err != nil {
			return nil, err
		}
		active, widened = from, nil
		if rows, err = rowsFrom(s.ctx, p, from); err != nil {
			return nil, err
		}
	}
	sample, err := f.sample(s, rows)
	if err != nil {
		return nil, err
	}
	x := &prover{p: p, o: s.o, journal: j, now: f.now, id: s.id, by: s.c.By, env: s.o.Env, place: place, reveal: s.c.Reveal && s.env != nil && s.env.cfg.Protected, told: func(r ProofRun) {
		f.change(func() { s.run = r })
	}}
	return x.search(s.ctx, rows, active, widened, sample)
}

// runProof is Run for prove.
func (f *Fleet) runProof(ctx context.Context, c Command, emit func(Event)) (Outcome, error) {
	name := c.Env
	if c.Prove != nil {
		name = cmp.Or(c.Prove.Env, name)
	}
	var err error
	switch {
	case name != "":
		err = f.Ready(ctx, name)
	case c.Prove != nil && c.Prove.From != "":
		err = f.wait(ctx, func() bool { return !f.loading })
	default:
		err = f.Settled(ctx)
	}
	if err != nil {
		return Outcome{}, err
	}
	s, err := f.beginProof(c)
	if err != nil {
		return Outcome{}, err
	}
	f.spawn(func() { f.performProof(s) })
	for {
		tick := f.changed.next()
		f.mu.Lock()
		over, run := s.over, s.run
		f.mu.Unlock()
		if over {
			break
		}
		emit(Event{Kind: "progress", At: f.now(), Env: name, Proof: run})
		select {
		case <-tick:
		case <-ctx.Done():
			s.cancel()
			return Outcome{Status: "canceled"}, context.Cause(ctx)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out := Outcome{Status: "success", Proofs: s.proofs}
	if s.o.Export != "" && !s.o.Reveal || s.env != nil && s.env.veiled() && !c.Reveal {
		out.Proofs = maskProofs(f.project.Schema, s.proofs)
	}
	for _, p := range s.proofs {
		out.Processed += int64(p.Documents)
		if p.Verdict == plan.Refuted {
			out.Status = "failed"
		}
	}
	if s.err != nil {
		out.Status = "failed"
	}
	return out, s.err
}
