package ui

import (
	"context"
	"time"

	tea "charm.land/bubbletea/v2"

	"strait/convex/fleet"
	"strait/plan"
)

// engine is what the screen needs of a fleet. Snapshots are never changed
// once handed out.
type engine interface {
	Snapshot() *fleet.Snapshot
	// Next blocks until there is a snapshot newer than seq; false at the end.
	Next(ctx context.Context, seq uint64) (*fleet.Snapshot, bool)
	Do(ctx context.Context, cmd fleet.Command) error
	// Check says what Do would refuse and what it would warn of.
	Check(cmd fleet.Command) (refusals, warnings []plan.Refusal)
	// Retry opens a broken environment again at once.
	Retry(env string) error
	// Tune changes a supervised run between two batches.
	Tune(env, migration string, t fleet.Tuning) error
	// Disarm makes a protected environment read-only again at once.
	Disarm(env, by string) error
	// Show says which environments are looked at: the others need not be read.
	Show(envs ...string)
	// Review reviews the plan as it stands; the first time it reads the
	// project's code.
	Review(ctx context.Context) (plan.Plan, plan.Review, error)
	// CensusEstimate says what a census would read, and reads no document.
	CensusEstimate(ctx context.Context, env string, o fleet.CensusOptions) (*fleet.CensusCost, error)
	// Journal is the end of the journal: at most n lines, the same as have when
	// nothing was added since.
	Journal(n int, have fleet.Journal) (fleet.Journal, error)
}

// deps is what the screen is given; it never changes.
type deps struct {
	ctx    context.Context // ends with the program
	engine engine
	now    func() time.Time
	ascii  bool
	dark   bool                                 // until the terminal has answered
	verb   string                               // how Strait was started, for the commands it shows: "strait"
	dir    string                               // --project of those commands; "" when the working folder finds it
	begin  func()                               // called once the first frame is on the screen; nil: nothing waits for it
	later  func(time.Duration, tea.Msg) tea.Cmd // nil: tea.Tick
}

type pageKind int

const (
	fleetPage pageKind = iota
	detailPage
	runPage
	planPage
	envPage
	provePage
	rehearsalPage
	journalPage
	offendersPage
	messagesPage
)

type runView int

const (
	progressView runView = iota
	logView
	dryRunView
	runViews
)

var runViewNames = [runViews]string{"Run", "Log", "Dry run"}

// Root is the one model of the program. It is a value: nothing that a copy
// shares with another is ever written to.
type Root struct {
	d    deps
	w, h int
	l    *look
	acts []action

	snap *fleet.Snapshot
	busy busyness
	now  time.Time
	spin int
	gen  int  // of the running tick
	fast bool // the tick is the spinner's
	blur bool // the terminal has lost the focus

	page      pageKind
	trail     []pageKind // from the work to the page of aside that is shown, without it
	rows      []int      // of Plan.Rows, those that the filter leaves
	cur       rowKey     // of the cursor's row
	top       int        // first row shown
	env       string
	touched   bool   // a key was pressed: what is selected was chosen
	mig       string // picked among the row's migrations; "" the one that asks for it most
	wish      wish
	supervise bool // how runs were last asked for
	view      runView
	mark      logMark // of the log view, while one has scrolled up
	roll      int     // lines rolled up in the page's body
	entry     entry
	book      book
	proof     reportAt                          // of the Proof page
	rehearsal reportAt                          // of the Rehearsal page
	record    record                            // of the Journal page
	proved    fleet.ProveOptions                // what was last searched
	rehearsed map[string]*fleet.RehearseOptions // what was last rehearsed on, by environment; never written to
	copies    []copyFile                        // exports that were found to rehearse on
	off       offending                         // of the page of offenders

	menu  menu
	ask   ask
	req   int // of the newest check
	toast toast
	notes []fleet.Message // of the screen itself, newest last
	seen  uint64          // newest message of the fleet that was shown
	shown string          // the environments that the engine was told are looked at
}

// entry is the filter's line.
type entry struct {
	on   bool // it has the keyboard
	text string
}

// busyness is what goes on in a snapshot.
type busyness struct {
	runs    []activity
	works   []work
	waiting bool // something is loading, opening, or being counted
}

// activity is one running migration.
type activity struct {
	env, mig string
	embedded bool
	mine     bool // this Strait started it
	stops    bool // it stops when Strait ends
	still    bool // it is paused between two batches
}

// work is what this Strait does besides running migrations, and what ends with
// it.
type work struct {
	of   string // the environment; "" none
	what string // "backup"
	fate string // what leaving does to it: "stops; nothing of it is kept"
}

// Messages are facts, in the past tense.
type (
	snapped struct{ snap *fleet.Snapshot }
	ticked  struct{ gen int }
	faded   struct{ id int } // a toast's time is over
	framed  struct{}         // the first frame is on the screen
	did     struct {
		cmd fleet.Command
		err error
	}
	stopAsked struct{} // by a signal
	checked   struct {
		req                int
		refusals, warnings []plan.Refusal
	}
)

func newRoot(d deps) Root {
	m := Root{d: d, l: newLook(d.dark, d.ascii), acts: actionTable(), now: d.now()}
	return m.take(d.engine.Snapshot())
}

// Init starts the feed and the clock.
func (m Root) Init() tea.Cmd {
	return tea.Batch(tea.RequestBackgroundColor, m.watch(), m.tick())
}

// watch waits for the next snapshot: exactly one waiter, re-armed by its answer.
func (m Root) watch() tea.Cmd {
	ctx, e, seq := m.d.ctx, m.d.engine, m.snap.Seq
	return func() tea.Msg {
		if s, ok := e.Next(ctx, seq); ok {
			return snapped{s}
		}
		return nil
	}
}

// firstFrame is how long the first frame takes to the terminal: one beat of
// the renderer. What is heavy begins after it.
const firstFrame = time.Second / framesPerSecond

const (
	calmBeat = time.Second
	fastBeat = 150 * time.Millisecond
)

func (m Root) tick() tea.Cmd {
	every, gen := calmBeat, m.gen
	if m.fast {
		every = fastBeat
	}
	return m.later(every, ticked{gen})
}

// later sends a message after a while; in tests it is replaced.
func (m Root) later(d time.Duration, msg tea.Msg) tea.Cmd {
	if m.d.later != nil {
		return m.d.later(d, msg)
	}
	return tea.Tick(d, func(time.Time) tea.Msg { return msg })
}

// Update takes one message. It never blocks.
func (m Root) Update(msg tea.Msg) (Root, tea.Cmd) {
	m, cmd := m.update(msg)
	return m.lookAt(), cmd
}

func (m Root) update(msg tea.Msg) (Root, tea.Cmd) {
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		first := m.w == 0
		m.w, m.h = msg.Width, msg.Height
		m = m.reveal()
		if m.page == planPage {
			return m.freshen()
		}
		if first && m.d.begin != nil {
			return m, m.later(firstFrame, framed{})
		}
	case framed:
		m.d.begin()
	case tea.BackgroundColorMsg:
		if dark := msg.IsDark(); dark != m.d.dark {
			m.d.dark = dark
			m.l = newLook(dark, m.d.ascii)
			return m.freshen()
		}
	case tea.FocusMsg:
		m.blur = false
	case tea.BlurMsg:
		m.blur = true
	case ticked:
		if msg.gen != m.gen {
			return m, nil
		}
		m.now = m.d.now()
		m.spin++
		m.fast = m.lively()
		tick := m.tick()
		m, more := m.freshen()
		return m, tea.Batch(tick, more, m.recall())
	case snapped:
		return m.snapped(msg.snap)
	case did:
		return m.did(msg)
	case tuned:
		return m.tuned(msg)
	case priced:
		return m.priced(msg), nil
	case exported:
		return m.exported(msg)
	case checked:
		return m.checked(msg), nil
	case reviewed:
		return m.reviewed(msg)
	case recalled:
		return m.recalled(msg), nil
	case exportTyped:
		return m.exportTyped(msg)
	case copiesFound:
		return m.copiesFound(msg)
	case faded:
		if msg.id == m.toast.id {
			m.toast = toast{id: m.toast.id}
		}
	case stopAsked:
		m.now = m.d.now()
		return m.leave(true)
	case tea.PasteMsg:
		return m.paste(msg.Content)
	case tea.KeyPressMsg:
		m.now = m.d.now()
		return m.press(msg)
	}
	return m, nil
}

// snapped takes a new snapshot, shows what happened and waits for the next.
func (m Root) snapped(s *fleet.Snapshot) (Root, tea.Cmd) {
	before := m.busy
	m.now = m.d.now()
	m = m.take(s)
	cmds := []tea.Cmd{m.watch()}
	for _, msg := range s.Messages {
		if msg.ID <= m.seen {
			continue
		}
		m.seen = msg.ID
		if i := envIndex(s, msg.Env); i >= 0 && s.Envs[i].State != fleet.Ready && repeated(s.Messages, msg) {
			continue
		}
		var cmd tea.Cmd
		m, cmd = m.show(msg)
		cmds = append(cmds, cmd)
	}
	if m.blur && ended(before.runs, m.busy.runs) {
		cmds = append(cmds, tea.Raw("\a"))
	}
	if lively := m.lively(); lively && !m.fast {
		m.fast = true
		m.gen++
		cmds = append(cmds, m.tick())
	}
	return m, tea.Batch(cmds...)
}

// repeated reports whether a message says what was the last thing said of its
// environment: one that cannot be reached says so at every try.
func repeated(all []fleet.Message, msg fleet.Message) bool {
	said := ""
	for _, x := range all {
		if x.ID >= msg.ID {
			break
		}
		if x.Env == msg.Env {
			said = x.Text
		}
	}
	return said == msg.Text
}

// lively reports whether something on the screen turns.
func (m Root) lively() bool {
	return m.busy.waiting || m.busy.still() < len(m.busy.runs) || m.page == planPage && m.book.asked != 0 && m.book.doc == nil
}

func ended(before, after []activity) bool {
	for _, a := range before {
		found := false
		for _, b := range after {
			found = found || a.env == b.env && a.mig == b.mig
		}
		if !found {
			return true
		}
	}
	return false
}

// take makes s the snapshot and keeps the cursor on what it was on.
func (m Root) take(s *fleet.Snapshot) Root {
	if s == nil {
		s = &fleet.Snapshot{Loading: true}
	}
	var was []string // the migrations of the cursor's row
	if m.snap != nil && m.at() >= 0 {
		was = m.snap.Plan.Rows[m.rows[m.at()]].Migrations
	}
	opened := !m.touched && openings(m.snap) != openings(s)
	m.snap = s
	m.busy = busyIn(s)
	m.cur = follow(s.Plan.Rows, m.cur, was)
	if len(s.Envs) > 0 && (envIndex(s, m.env) < 0 || !m.touched) {
		m.env = firstOpen(s)
	}
	if opened {
		m.cur = firstFailed(s, m.env, m.cur)
	}
	m = m.sift()
	if m.seen == 0 && len(s.Messages) > 0 && m.w == 0 {
		m.seen = s.Messages[len(s.Messages)-1].ID // what was before the screen is no news
	}
	return m
}

// firstOpen is the environment to begin with: the first that is known not to
// be finished.
func firstOpen(s *fleet.Snapshot) string {
	for i, e := range s.Envs {
		if i < len(s.Plan.Envs) && s.Plan.Envs[i].Narrow.State != plan.Done && s.Plan.Envs[i].Narrow.State != plan.Unknown {
			return e.Name
		}
	}
	return s.Envs[0].Name
}

// openings counts the environments that are still being opened.
func openings(s *fleet.Snapshot) (n int) {
	if s == nil || s.Loading {
		return -1
	}
	for i := range s.Envs {
		if s.Envs[i].State == fleet.Opening {
			n++
		}
	}
	return n
}

// firstFailed is the row to begin with: the first that failed, else cur.
func firstFailed(s *fleet.Snapshot, env string, cur rowKey) rowKey {
	at := envIndex(s, env)
	for i := range s.Plan.Rows {
		r := &s.Plan.Rows[i]
		if at >= 0 && at < len(r.Cells) && r.Cells[at].Migrate.State == plan.Failed {
			return rowID(r)
		}
	}
	return cur
}

func busyIn(s *fleet.Snapshot) busyness {
	b := busyness{waiting: s.Loading || s.ProofRun != nil}
	for i := range s.Envs {
		e := &s.Envs[i]
		b.waiting = b.waiting || e.State == fleet.Opening || e.CensusRun != nil || checking(e) || deploying(e) || e.BackupRun != nil || e.Rehearsing != nil
		for i := range s.Project.Migrations {
			mig := &s.Project.Migrations[i]
			if mig.Runner {
				continue // its members are counted
			}
			if r, ok := e.Runs[mig.Name]; ok && active(r.State) {
				b.runs = append(b.runs, activity{e.Name, mig.Name, e.Embedded, r.Mine, stopsWithStrait(r, mig, e.Embedded), standsStill(r)})
			}
		}
		b.works = append(b.works, worksIn(e)...)
		for _, d := range e.DryRun {
			b.waiting = b.waiting || d != nil && d.Running
		}
	}
	if s.ProofRun != nil {
		b.works = append(b.works, work{"", "prove", "stops: what it has found so far is lost"})
	}
	return b
}

// worksIn is what this Strait does with an environment.
func worksIn(e *fleet.EnvSnapshot) (out []work) {
	if e.BackupRun != nil {
		out = append(out, work{e.Name, "backup", "stops: nothing of it is kept"})
	}
	if e.Rehearsing != nil {
		out = append(out, work{e.Name, "rehearsal", "stops: nothing is left of it"})
	}
	if e.Embedded {
		return out // what is done to it ends with it
	}
	if e.CensusRun != nil {
		out = append(out, work{e.Name, "census", "stops: the next one can go on there"})
	}
	if deploying(e) {
		out = append(out, work{e.Name, "deploy", "is stopped, wherever its command is"})
	}
	return out
}

// still counts the runs that are paused.
func (b busyness) still() (n int) {
	for _, a := range b.runs {
		if a.still {
			n++
		}
	}
	return n
}

// others counts the runs that this Strait did not start.
func (b busyness) others() (n int) {
	for _, a := range b.runs {
		if !a.mine {
			n++
		}
	}
	return n
}

// active reports whether a run's state moves by itself.
func active(state string) bool {
	return state == "starting" || state == "inProgress" || state == "canceling"
}

func envIndex(s *fleet.Snapshot, name string) int {
	for i := range s.Envs {
		if s.Envs[i].Name == name {
			return i
		}
	}
	return -1
}
