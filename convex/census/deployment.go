package census

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
	"strait/plan"
)

const (
	firstPage   = 2000 // documents
	largestPage = 8000
	growAfter   = 4       // pages that went well
	smallStake  = 500     // documents of a budget, which one page may have all
	pageBytes   = 4 << 20 // of a page of the first size, where the budget has bytes
	pageTries   = 4
	pageTimeout = 2 * time.Minute
	retryPause  = 200 * time.Millisecond
)

// Deployment counts the documents of a deployment that do not fit o.Target, in
// one component. A table whose inferred shape fits the target is not read
// (convex-wire.md 6.3). The others are read page by page, the smallest first,
// and checked where they lie (14.2); where the deployment does not let the
// checker run, they are brought here, which the census says (Brought).
//
// Every page is a snapshot of its own. A document that is there throughout is
// counted once, and one that does not fit throughout is not missed; one that is
// written meanwhile may be. A table that cannot be read to its end has Failed
// set, and the others are counted.
//
// When ctx ends, or the budget, the census comes as far as it was taken, with
// Stopped set and no error. With an error that ended it comes what was counted
// before, or nil. Census.Deployment is left to the caller.
func Deployment(ctx context.Context, client *wire.Client, o Options) (*plan.Census, error) {
	r, err := prepare(ctx, client, o)
	if err != nil {
		return nil, fmt.Errorf("census: %w", err)
	}
	err = r.run(ctx)
	if err == nil {
		err = r.fill(ctx)
	}
	if err != nil && ctx.Err() != nil {
		r.stopped, err = "it was canceled", nil
	}
	if err != nil {
		r.stopped = err.Error()
		return r.census(), fmt.Errorf("census: %w", err)
	}
	return r.census(), nil
}

// run is the census of a deployment under way.
type run struct {
	client   *wire.Client
	o        Options
	hash     string // of the target
	ids      mapping
	tables   []*tableRun // smallest first
	started  time.Time
	brought  string // why documents are brought here; "" they are not
	bringAll bool   // those of every table that is not begun
	stopped  string

	read, bytes int64 // by this call, or by its failed pages at most
	untold      int64 // documents of those that failed pages may have read
	pages       pacer
	limit       *rate.Limiter // nil none
	random      *rand.Rand
}

// tableRun is one table and how far it was read.
type tableRun struct {
	table *schema.Table
	count plan.TableCount
	found share
	at    position
	done  bool

	source  string // of the checker, once it was compiled
	asked   bool   // for the tables' numbers again, since the checker disagreed
	renewed bool   // begun again, since its cursor was refused
}

// mapping tells tables by their number.
type mapping map[uint32]string

// TableName implements schema.Tables.
func (m mapping) TableName(number uint32) (string, bool) {
	name, ok := m[number]
	return name, ok
}

// number is the number of a table; 0 there is none.
func (m mapping) number(table string) uint32 {
	for number, name := range m {
		if name == table {
			return number
		}
	}
	return 0
}

func (r *run) run(ctx context.Context) error {
	for _, t := range r.tables {
		for !t.done {
			if r.stopped = r.spent(t); r.stopped != "" {
				return nil
			}
			if err := r.page(ctx, t); err != nil {
				return fmt.Errorf("table %s: %w", t.table.Name, err)
			}
			r.tell(t)
			if err := r.wait(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// spent says that the budget does not suffice for one document more; "" it
// does.
func (r *run) spent(t *tableRun) string {
	b := r.o.Budget
	why := ""
	switch {
	case b.Documents > 0 && r.read >= b.Documents:
		why = fmt.Sprintf("its budget of %d documents was read, in table %s", b.Documents, t.table.Name)
	case b.Documents > 0 && r.read+int64(len(t.at.Seen)) >= b.Documents:
		why = fmt.Sprintf("its budget of %d documents leaves none that is new, in table %s", b.Documents, t.table.Name)
	case b.Bytes > 0 && b.Bytes-r.bytes < value.MaxDocumentSize*int64(1+len(t.at.Seen)):
		why = fmt.Sprintf("its budget of %d bytes leaves no room for another document, which may have %d, in table %s", b.Bytes, value.MaxDocumentSize, t.table.Name)
	}
	if why != "" && r.untold > 0 {
		why += fmt.Sprintf("; up to %d documents of it went into pages that failed, of which a deployment does not tell what they have read", r.untold)
	}
	return why
}

// room is how many documents, and until how many bytes, the next page may
// read: its last document may weigh all that is kept free for it. A large
// budget is not staked on one page, which may fail.
func (r *run) room(t *tableRun) (documents int, bytes int64) {
	n := int64(r.pages.size)
	if left := r.o.Budget.Documents - r.read; r.o.Budget.Documents > 0 {
		n = min(n, left, max(smallStake, left/2))
	}
	if r.sampled(t) {
		n = min(n, r.o.Sample-t.found.read)
	}
	if r.limit != nil {
		n = min(n, int64(r.limit.Burst()))
	}
	if r.o.Budget.Bytes > 0 {
		most := max(pageBytes*int64(r.pages.size)/firstPage, value.MaxDocumentSize)
		bytes = max(1, min(most, r.o.Budget.Bytes-r.bytes-value.MaxDocumentSize))
	}
	return int(max(1, n)), bytes
}

// sampled reports whether only some documents of the table are read.
func (r *run) sampled(t *tableRun) bool {
	return r.o.Sample > 0 && t.count.Documents > r.o.Sample
}

// wait paces the reading: what was read is paid for before more is read.
func (r *run) wait(ctx context.Context) error {
	if r.limit == nil || r.pages.last == 0 {
		return nil
	}
	return r.limit.WaitN(ctx, min(r.pages.last, r.limit.Burst()))
}

// tell reports what a page has brought.
func (r *run) tell(t *tableRun) {
	if r.o.Saved != nil {
		r.o.Saved(r.state())
	}
	if r.o.Progress == nil {
		return
	}
	p := Progress{Table: t.table.Name, Page: r.pages.size}
	for _, t := range r.tables {
		p.Read += t.found.read
		p.Bytes += t.found.bytes
		p.Found += t.found.offenders
		p.Total += max(r.toRead(t), t.found.read)
	}
	r.o.Progress(p)
}

// toRead is how many documents of a table are to be read.
func (r *run) toRead(t *tableRun) int64 {
	if t.count.Proved != "" {
		return 0
	}
	if r.sampled(t) {
		return r.o.Sample
	}
	return t.count.Documents
}

func (r *run) census() *plan.Census {
	out := &plan.Census{
		Component: r.o.Component, Schema: r.hash, Started: r.started, At: r.o.Now().Round(0), Stopped: r.stopped, Brought: r.brought,
		Full: r.stopped == "", Tables: map[string]int64{}, Counts: map[string]plan.TableCount{},
	}
	for _, t := range r.tables {
		count := t.count
		count.Most = r.most(t)
		if r.sampled(t) && count.Proved == "" || count.Failed != "" {
			out.Full = false
		}
		t.found.addTo(out, t.table.Name, count)
	}
	return out
}

// most bounds the offenders of a table.
func (r *run) most(t *tableRun) int64 {
	unread := max(0, t.count.Documents-t.found.read)
	switch {
	case t.count.Proved != "":
		return 0
	case t.done && t.count.Failed == "" && !r.sampled(t):
		return t.found.offenders
	case r.sampled(t) && !t.at.Brought:
		return mostOffenders(t.count.Documents, t.found.read, t.found.offenders)
	}
	return t.found.offenders + unread // what was read was not chosen at random
}

// pacer finds the size of a page: half of it where a page was too large, and
// slowly more while all goes well.
type pacer struct{ size, good, last int }

func (p *pacer) shrink(asked int) { p.size, p.good = max(1, asked/2), 0 }

// took notes a page that was read.
func (p *pacer) took(documents int) {
	p.last = documents
	if p.good++; p.good%growAfter == 0 {
		p.size = min(largestPage, p.size+max(1, p.size/4))
	}
}

// page reads one page of a table, a smaller one when the deployment finds it
// too large. A table that cannot be read on is done, and failed.
func (r *run) page(ctx context.Context, t *tableRun) error {
	for try := 1; r.spent(t) == ""; {
		n, bytes := r.room(t)
		err := r.attempt(ctx, t, n, bytes)
		failure := failureOf(err)
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return err
		case failure == tooLarge && n > 1:
			r.pages.shrink(n)
		case failure == passing && try < pageTries:
			if isTimeout(err) && n > 1 {
				r.pages.shrink(n)
			}
			if err := pause(ctx, retryPause<<try); err != nil {
				return err
			}
			try++
		case errors.Is(err, errDisagree) && !t.asked:
			t.asked = true // a table may have been made since
			if err := r.number(ctx); err != nil {
				return err
			}
		case failure == lost && isLost(err.Error()) && !t.renewed:
			// A cursor does not outlive its deployment.
			t.renewed, t.at, t.found = true, position{}, share{}
		case !t.at.Brought && r.fallBack(t, err, failure):
		case failure == passing || failure == refused:
			return err
		default:
			t.done, t.count.Failed = true, fmt.Sprintf("it cannot be read on %s: %v", t.at.where(), err)
			return nil
		}
	}
	return nil
}

// failed charges the budget with what a call that failed may have read: so
// many documents of so many bytes, at most.
func (r *run) failed(err error, documents, bytes int64) error {
	if err != nil && mayHaveRead(err) {
		r.read += documents
		r.untold += documents
		r.bytes += min(bytes, documents*value.MaxDocumentSize, mostRead)
	}
	return err
}

// mostRead is the most that one transaction reads: Convex's limit and the
// document that passed it (convex-wire.md 9.1).
const mostRead = 16<<20 + value.MaxDocumentSize

// mayHaveRead reports whether a call that failed may have got to the data.
func mayHaveRead(err error) bool {
	var function *wire.FunctionError
	var answer *wire.HTTPError
	var dial *net.OpError
	switch {
	case errors.As(err, &function):
		return !isLost(function.Message) && !strings.Contains(function.Message, "Requested too many items")
	case errors.As(err, &answer):
		return answer.Status >= 500
	}
	return !errors.As(err, &dial) || dial.Op != "dial"
}

// fallBack has a table's documents brought here, from the first one on, where
// the checker cannot be used; those of the tables that follow too, where that
// is the deployment's word.
func (r *run) fallBack(t *tableRun, err error, f failure) bool {
	why := ""
	switch {
	case f == refused:
		why = fmt.Sprintf("the deployment does not let the checker run: %v", err)
		r.bringAll = true
	case errors.Is(err, errDisagree) || errors.Is(err, errAnswer) || errors.Is(err, errTies):
		why = fmt.Sprintf("table %s: %v", t.table.Name, err)
	case f == tooLarge && len(t.at.Seen) > 1:
		why = fmt.Sprintf("table %s: %d documents with the same creation time cannot be read at once: %v", t.table.Name, len(t.at.Seen)+1, err)
	case f == tooLarge && !t.at.Begun:
		why = fmt.Sprintf("table %s: the checker failed on its first document: %v", t.table.Name, err)
	default:
		return false
	}
	if r.brought == "" {
		r.brought = why
	}
	t.at, t.found = position{Brought: true}, share{}
	r.pages = pacer{size: firstPage}
	return true
}

func (r *run) attempt(ctx context.Context, t *tableRun, n int, bytes int64) error {
	ctx, cancel := context.WithTimeout(r.counted(ctx), pageTimeout)
	defer cancel()
	if r.bringAll && !t.at.Begun {
		t.at.Brought = true
	}
	if t.at.Brought {
		return r.bring(ctx, t, n)
	}
	if r.sampled(t) && t.at.Start == "" {
		var random [14]byte
		binary.BigEndian.PutUint64(random[:], r.random.Uint64())
		binary.BigEndian.PutUint64(random[6:], r.random.Uint64())
		t.at.Start = value.NewID(r.ids.number(t.table.Name), random, 0).String()
	}
	return r.probe(ctx, t, n, bytes)
}

// counted has every attempt of a call made here, where it is charged to the
// budget.
func (r *run) counted(ctx context.Context) context.Context {
	if r.o.Budget == (Budget{}) {
		return ctx
	}
	return wire.Once(ctx)
}

// number reads the tables' numbers.
func (r *run) number(ctx context.Context) error {
	ids, err := r.client.TableMapping(ctx, r.o.ComponentID)
	if err != nil {
		return fmt.Errorf("the tables' numbers cannot be read, so ids cannot be checked: %w", err)
	}
	r.ids = ids
	return nil
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// where says how far a table was read.
func (p position) where() string {
	switch {
	case p.Start != "" && p.ID == "":
		return "from id " + p.Start + " on"
	case p.ID != "":
		return "after document " + p.ID
	case len(p.Seen) > 0:
		return "after document " + p.Seen[len(p.Seen)-1]
	case p.Cursor != "":
		return "after the page that was read last"
	}
	return "from its first document on"
}

// failure is what a failed page means.
type failure int

const (
	tooLarge failure = iota // or anything else that the function itself did
	passing
	refused
	lost // the position is not accepted
)

func failureOf(err error) failure {
	var function *wire.FunctionError
	var answer *wire.HTTPError
	var transport *wire.TransportError
	switch {
	case errors.As(err, &function):
		if isLost(function.Message) {
			return lost
		}
		return tooLarge
	case errors.As(err, &answer):
		if answer.Temporary() {
			return passing
		}
		return refused
	case errors.As(err, &transport) && strings.Contains(transport.Reason, "larger than"):
		return tooLarge
	case errors.As(err, &transport), errors.Is(err, context.DeadlineExceeded):
		return passing
	}
	return lost
}

func isTimeout(err error) bool {
	var t interface{ Timeout() bool }
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &t) && t.Timeout()
}

// isLost reports whether a cursor was refused (convex-wire.md 9.5).
func isLost(message string) bool {
	return strings.Contains(message, "InvalidCursor") || strings.Contains(message, "Failed to parse cursor")
}

// errStuck is a page that brings nothing and is not the last.
var errStuck = errors.New("the deployment gives the same page again")
