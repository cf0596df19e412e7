package local

import (
	"strings"

	"strait/model/value"
)

// prefetch bounds how many documents a stream takes out of a tree at once.
const prefetch = 64

// stream walks a plan, document by document. It sees the writes that its
// transaction makes while it walks.
type stream struct {
	tx      *transaction
	plan    *plan
	rest    interval // not yet walked
	started bool
	done    bool
	place   place // of the interval read, in the transaction's read set
	last    hit   // the last document walked, whether or not it passed
	counts  []int // documents let through by each limit
	walked  int
	bytes   int
	hint    int // how many documents the caller is likely to want

	skipPast string       // of a search that goes on after a cursor
	stop     func() bool  // asked before each document is walked; nil never
	seen     func(string) // told the key of each document walked; nil nobody

	ahead   []hit // taken out of the tree, not yet walked
	aheadAt int   // number of the transaction's writes when they were
	step    int
}

func (tx *transaction) stream(p *plan) *stream {
	s := &stream{tx: tx, plan: p, rest: p.iv, counts: make([]int, len(p.operators)), step: 4}
	for _, op := range p.operators {
		if op.filter == nil && (s.hint == 0 || op.limit < s.hint) {
			s.hint = op.limit
		}
	}
	if s.hint > 0 {
		s.step = min(s.hint, prefetch)
	}
	return s
}

// next returns the next document that passes the operators; nil at the end,
// and, without being done, where stop says so.
func (s *stream) next() (*document, error) {
	if err := s.start(); err != nil {
		return nil, err
	}
	for !s.done {
		if s.full() {
			s.done = true
			break
		}
		if s.stop != nil && s.stop() {
			return nil, nil
		}
		doc, err := s.walk()
		if doc == nil || err != nil {
			return nil, err
		}
		if s.seen != nil {
			s.seen(s.last.key)
		}
		passes, err := s.pass(doc)
		if err != nil {
			return nil, err
		}
		if passes {
			return doc, nil
		}
	}
	return nil, nil
}

// start records the dependency and, for a search, finds the matches.
func (s *stream) start() error {
	if s.started {
		return nil
	}
	s.started = true
	p := s.plan
	if p.missing || p.search != nil {
		s.tx.reads.addRange(p.ref, byCreationTime, everything)
	} else {
		s.place = s.tx.reads.addRange(p.ref, p.index, nothing)
	}
	if err := s.tx.countRanges(); err != nil {
		return err
	}
	if p.missing {
		s.done = true
	}
	if p.search != nil {
		hits, err := s.tx.search(p)
		if err != nil {
			return err
		}
		for i, h := range hits {
			if h.key == s.skipPast {
				hits = hits[i+1:]
				break
			}
		}
		s.ahead, s.rest = hits, nothing
	}
	return nil
}

// full reports whether some limit lets nothing more through.
func (s *stream) full() bool {
	for i, op := range s.plan.operators {
		if op.filter == nil && s.counts[i] >= op.limit {
			return true
		}
	}
	return false
}

// walk takes the next document of the range and counts it.
func (s *stream) walk() (*document, error) {
	if overtaken := s.plan.search == nil && s.aheadAt != len(s.tx.writes); overtaken || len(s.ahead) == 0 {
		if overtaken && len(s.ahead) > 0 { // the caller writes while it reads: look less far ahead
			s.step = 4
		}
		s.fetch()
	}
	if len(s.ahead) == 0 {
		s.done = true
		s.record(s.plan.iv)
		return nil, nil
	}
	h := s.ahead[0]
	if err := s.tx.countRead(h.doc); err != nil {
		return nil, err // the document is not consumed: a page ends before it
	}
	s.ahead = s.ahead[1:]
	s.last = h
	s.walked++
	s.bytes += int(h.doc.size)
	if s.plan.search == nil {
		if s.plan.desc {
			s.rest.hi = orLeast(h.key)
			s.record(interval{h.key, s.plan.iv.hi})
		} else {
			s.rest.lo = h.key + "\x00"
			s.record(interval{s.plan.iv.lo, s.rest.lo})
		}
	}
	return h.doc, nil
}

func (s *stream) record(iv interval) {
	if s.place.ranges != nil {
		s.place.set(iv)
	}
}

func (s *stream) fetch() {
	if s.plan.search != nil {
		return
	}
	s.aheadAt = len(s.tx.writes)
	t := s.tx.space(s.plan.ref.component).table(s.plan.ref.table)
	if t == nil {
		s.ahead = nil
		return
	}
	s.ahead = t.scan(s.plan.index, s.rest, s.plan.desc, s.step, s.ahead[:0:0])
	s.step = min(s.step*2, prefetch)
}

// pass runs the operators on a document.
func (s *stream) pass(doc *document) (bool, error) {
	var decoded value.Object
	for i, op := range s.plan.operators {
		if op.filter == nil {
			if s.counts[i] >= op.limit {
				return false, nil
			}
			s.counts[i]++
			continue
		}
		if decoded == nil {
			var err error
			if decoded, err = decodeDocument(doc); err != nil {
				return false, err
			}
		}
		ok, err := truth(op.filter, decoded)
		if !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

// text is a document as a function reads it.
func (p *plan) text(doc *document) string {
	if strings.HasPrefix(p.ref.table, "_") {
		return virtualText(doc)
	}
	return doc.json
}
