package local

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// commit is what one commit changed, kept for a while so that transactions
// and live queries can be told what touched them. Of the newest it holds the
// documents too, for the stream of changes (deltas.go).
type commit struct {
	ts      uint64
	source  string // function that wrote
	writes  []loggedWrite
	whole   map[tableRef]struct{} // tables made, dropped or loaded as a whole
	schemas map[string]struct{}   // components whose schema or tables changed
	epoch   bool                  // what all functions rest on changed: code, active schemas, indexes
	unseen  bool                  // documents came or went that writes does not list
	held    int                   // bytes of the documents that writes holds
}

type loggedWrite struct {
	ref                    tableRef
	id                     [16]byte
	hadOld, hasNew         bool
	oldCreated, newCreated uint64
	indexes                []string // names of declared indexes, shared
	keys                   []keyChange
	doc                    *document // what was written; nil: deleted, or no longer kept
}

// What the deployment remembers.
const (
	maxLoggedWrites = 1 << 16
	maxSnapshots    = 64
	maxOldBytes     = 32 << 20
)

// conflict is a failed commit: what was read has changed (convex-wire.md 9.3).
type conflict struct {
	table, document, source, component string
}

func (c *conflict) Error() string {
	text := "Documents read from or written to"
	if c.table != "" {
		text += fmt.Sprintf(" the %q table", c.table)
	}
	text += " changed while this mutation was being run and on every subsequent retry."
	if c.source != "" {
		text += fmt.Sprintf(" A call to %q changed the document", c.source)
		if c.document != "" {
			text += fmt.Sprintf(" with ID %q", c.document)
		}
		text += "."
	}
	return text + " See https://docs.convex.dev/error#1"
}

// errClosed is what calls on a closed deployment get.
var errClosed = errors.New("the embedded deployment is closed")

// commit publishes what the transaction wrote and returns the timestamp.
// A *conflict means that it must be run again.
func (d *Deployment) commit(tx *transaction, source string) (uint64, error) {
	if len(tx.writes) == 0 && len(tx.created) == 0 {
		return tx.base.ts, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return 0, errClosed
	}
	latest := d.latest.Load()
	next := &snapshot{code: latest.code, spaces: tx.spacesOver(latest)}
	if latest != tx.base {
		if err := d.checkConflicts(tx); err != nil {
			return 0, err
		}
		spaces, err := tx.rebase(latest)
		if err != nil {
			return 0, err
		}
		next.spaces = spaces
	}
	c := &commit{source: source, schemas: map[string]struct{}{}}
	c.writes, c.whole = tx.logged()
	c.unseen = len(c.writes) < len(tx.writes)
	for ref := range tx.created {
		c.schemas[ref.component] = struct{}{}
	}
	d.checkPending(tx, next, c)
	if tx.bulk { // every version of a table being loaded would keep its own tree
		tx.oldBytes = maxOldBytes
	}
	next.ts = d.nextTimestamp()
	if tx.announce != nil {
		tx.announce(next.ts)
	}
	d.publish(next, c, tx.oldBytes)
	return next.ts, nil
}

type announceKey struct{}

// announced is a context whose transactions call f with their timestamp before
// anybody can see what they wrote. f must not wait.
func announced(ctx context.Context, f func(ts uint64)) context.Context {
	return context.WithValue(ctx, announceKey{}, f)
}

func announcer(ctx context.Context) func(uint64) {
	f, _ := ctx.Value(announceKey{}).(func(uint64))
	return f
}

// nextTimestamp is when the next snapshot is published; d.mu is held.
func (d *Deployment) nextTimestamp() uint64 {
	return max(uint64(d.now().UnixNano()), d.latest.Load().ts+1)
}

// checkConflicts looks for a commit after the transaction's snapshot that
// touched what it read.
func (d *Deployment) checkConflicts(tx *transaction) error {
	base := tx.base.ts
	if base < d.logFrom {
		return &conflict{}
	}
	for i := len(d.commits) - 1; i >= 0 && d.commits[i].ts > base; i-- {
		c := d.commits[i]
		if c.epoch {
			return &conflict{source: c.source}
		}
		if ref, id, hit := tx.reads.touched(c); hit {
			return &conflict{
				table: ref.table, component: ref.component, source: c.source,
				document: d.documentID(ref, id),
			}
		}
	}
	return nil
}

func (d *Deployment) documentID(ref tableRef, id [16]byte) string {
	s := d.latest.Load().space(ref.component)
	if s == nil || id == ([16]byte{}) {
		return ""
	}
	if t := s.table(ref.table); t != nil {
		return t.idOf(&document{id: id})
	}
	return ""
}

// publish makes next the newest snapshot and wakes who waits; d.mu is held.
func (d *Deployment) publish(next *snapshot, c *commit, oldBytes int) {
	latest := d.latest.Load()
	if next.ts == 0 {
		next.ts = d.nextTimestamp()
	}
	c.ts = next.ts
	d.commits = append(d.commits, c)
	d.logged += 1 + len(c.writes)
	drop := 0
	for d.logged > maxLoggedWrites && drop < len(d.commits)-1 {
		d.logged -= 1 + len(d.commits[drop].writes)
		d.logFrom = d.commits[drop].ts
		drop++
	}
	d.history.add(d.commits, drop)
	clear(d.commits[:drop])
	d.commits = d.commits[drop:]
	d.recent = append(d.recent, pastSnapshot{latest, oldBytes})
	d.recentBytes += oldBytes
	for len(d.recent) > 1 && (len(d.recent) > maxSnapshots || d.recentBytes > maxOldBytes) {
		d.recentBytes -= d.recent[0].bytes
		d.recent[0].snapshot = nil
		d.recent = d.recent[1:]
	}
	d.latest.Store(next)
	close(d.news)
	d.news = make(chan struct{})
}

// pastSnapshot is a snapshot that a query may still ask for, with the size of
// the documents that only it keeps.
type pastSnapshot struct {
	snapshot *snapshot
	bytes    int
}

// at finds the snapshot of a timestamp: the newest not after it.
func (d *Deployment) at(ts uint64) (*snapshot, error) {
	latest := d.latest.Load()
	if ts == 0 || ts >= latest.ts {
		return latest, nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := len(d.recent) - 1; i >= 0; i-- {
		if s := d.recent[i].snapshot; s.ts <= ts {
			return s, nil
		}
	}
	return nil, fmt.Errorf("read at timestamp %d: that snapshot is no longer kept; read at a newer one", ts)
}

// Wait waits for a commit newer than after and returns the newest timestamp.
// It fails when ctx or the deployment ends.
func (d *Deployment) Wait(ctx context.Context, after uint64) (uint64, error) {
	for {
		d.mu.Lock()
		news, closed := d.news, d.closed
		d.mu.Unlock()
		if ts := d.latest.Load().ts; ts > after {
			return ts, nil
		}
		if closed {
			return 0, errClosed
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-news:
		}
	}
}

// Changed reports whether a commit after since touched what reads rests on.
// It says yes when since is too long ago to tell.
func (d *Deployment) Changed(reads *ReadSet, since uint64) bool {
	if reads == nil {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if since < d.logFrom {
		return true
	}
	for i := len(d.commits) - 1; i >= 0 && d.commits[i].ts > since; i-- {
		if _, _, hit := reads.touched(d.commits[i]); hit {
			return true
		}
	}
	return false
}

// backoff is the pause before the retry n (from 0) of something that lost a
// race, doubling from 100 ms to limit.
func backoff(n int, limit time.Duration) time.Duration {
	return min(100*time.Millisecond<<min(n, 20), limit)
}
