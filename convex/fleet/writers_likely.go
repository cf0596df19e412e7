package fleet

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"strait/convex/wire"
)

// likelyTimeout bounds the look into the function log for who wrote a document.
const likelyTimeout = 15 * time.Second

// likelySlacks is how far the log's time may be from that of a commit: nobody
// who is further off is looked at while somebody is nearer.
var likelySlacks = []time.Duration{10 * time.Millisecond, 250 * time.Millisecond}

// maxLikely is how many functions are named.
const maxLikely = 3

// likely names the functions that most likely wrote documents: the mutations
// that ran just then and wrote something, as the function log tells. None where
// the log does not reach, or may not be read.
func (w *oldWriters) likely(found []*offender) []string {
	ctx, cancel := context.WithTimeout(w.e.f.ctx, likelyTimeout)
	defer cancel()
	page, err := w.client.Logs(ctx, 0) // all that is kept; written to just now, it answers at once
	if err != nil {
		return nil
	}
	var ran []wire.Execution
	w.e.f.mu.Lock()
	for _, x := range page.Entries {
		if _, migrates := w.e.f.migration(x.Function); !migrates && x.Component == "" && x.Type == "Mutation" && x.Error == "" && x.Usage.WrittenDocuments > 0 {
			ran = append(ran, x)
		}
	}
	w.e.f.mu.Unlock()
	return blame(found, ran)
}

// blame counts for each function the documents that it may have written, each
// document shared by those that may.
func blame(found []*offender, ran []wire.Execution) []string {
	votes := map[string]float64{}
	for _, o := range found {
		if o.at.IsZero() {
			continue
		}
		may := map[string]bool{}
		for _, slack := range likelySlacks {
			for _, x := range ran {
				if !o.at.Before(x.At.Add(-x.Took-slack)) && !o.at.After(x.At.Add(slack)) {
					may[x.Function] = true
				}
			}
			if len(may) > 0 {
				break
			}
		}
		for name := range may {
			votes[name] += 1 / float64(len(may))
		}
	}
	names := slices.SortedFunc(maps.Keys(votes), func(a, b string) int { return cmp.Or(cmp.Compare(votes[b], votes[a]), cmp.Compare(a, b)) })
	for i, name := range names {
		if i == maxLikely || votes[name] < votes[names[0]]/2 {
			return names[:i]
		}
	}
	return names
}
