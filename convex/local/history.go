package local

import (
	"slices"
	"sort"
	"strings"
)

// maxHistoryBytes bounds the documents that only the stream of changes keeps.
const maxHistoryBytes = 16 << 20

// history says how far back the stream of changes reaches: the newest commits
// hold what they wrote. It is guarded by the deployment's mutex.
type history struct {
	from  uint64 // every change after this timestamp is known
	at    int    // the commits before this one hold no documents
	bytes int    // of those that the others hold
}

// add takes in the newest of the commits, of which the first drop ones are
// about to be forgotten, and lets go of what is too much.
func (h *history) add(commits []*commit, drop int) {
	c := commits[len(commits)-1]
	for i := range c.writes {
		w := &c.writes[i]
		switch {
		case w.doc == nil:
		case strings.HasPrefix(w.ref.table, "_"):
			w.doc = nil // the stream is of user tables
		default:
			c.held += len(w.doc.json)
		}
	}
	h.bytes += c.held
	for h.at < len(commits) && (h.at < drop || h.bytes > maxHistoryBytes) {
		old := commits[h.at]
		if old.held > 0 {
			for i := range old.writes {
				old.writes[i].doc = nil
			}
		}
		h.bytes -= old.held
		h.from = old.ts
		h.at++
	}
	h.at -= drop
	if c.unseen {
		h.from = c.ts
	}
}

// revision is one document as a commit left it.
type revision struct {
	ref tableRef
	id  [16]byte
	ts  uint64
	doc *document // nil: deleted
}

// changesAfter are the revisions after a timestamp, oldest first, about limit
// of them but never a part of a commit, and how far they reach. ok is false
// when not all of them are kept.
func (d *Deployment) changesAfter(ts uint64, limit int) (out []revision, until uint64, more, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if ts < d.history.from {
		return nil, 0, false, false
	}
	i := sort.Search(len(d.commits), func(i int) bool { return d.commits[i].ts > ts })
	for ; i < len(d.commits) && len(out) < limit; i++ {
		out = append(out, d.commits[i].revisions()...)
		until = d.commits[i].ts
	}
	for ; i < len(d.commits); i++ {
		if len(d.commits[i].revisions()) > 0 {
			return out, until, true, true
		}
	}
	return out, d.latest.Load().ts, false, true
}

// revisions are what the commit left of each document of a user table.
func (c *commit) revisions() []revision {
	type key struct {
		ref tableRef
		id  [16]byte
	}
	at := map[key]int{}
	var out []revision
	var was []bool // it was there before
	for i := range c.writes {
		w := &c.writes[i]
		if strings.HasPrefix(w.ref.table, "_") {
			continue
		}
		k := key{w.ref, w.id}
		n, again := at[k]
		if !again {
			n = len(out)
			at[k] = n
			out, was = append(out, revision{w.ref, w.id, c.ts, nil}), append(was, w.hadOld)
		}
		out[n].doc = w.doc
	}
	// What came and went within one commit was never there.
	i := -1
	return slices.DeleteFunc(out, func(r revision) bool { i++; return r.doc == nil && !was[i] })
}
