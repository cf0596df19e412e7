package fleet

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"strait/convex/wire"
	"strait/model/schema"
	"strait/plan"
)

// A certificate of an earlier process, or of before the connection was lost, is
// looked at again before it counts: whether code was pushed since, whether the
// deployment's inferred shapes fit the target, and where they do not, the
// documents that were made since it was begun. That is cheap and no census: a
// document that was changed since, in a table whose shape does not tell, is
// seen only by the watch for old-shape writers. The steps say so.

const (
	recheckBound = 20_000 // documents that are looked at again
	recheckPage  = 1000
	// createdSlack allows for the deployment's clock: documents made so long
	// before the certificate was begun are looked at as well.
	createdSlack = 2 * time.Minute
	// watchTakesOver is how long the watch for old-shape writers has to find
	// what was found here.
	watchTakesOver = 10 * time.Second
)

// recheck looks at a certificate again once the environment is ready, and ends
// the doubt, or the certificate.
func (e *env) recheck(ctx context.Context, client *wire.Client) {
	var c *plan.Certificate
	began := e.f.now().Round(0)
	err := e.f.wait(ctx, func() bool {
		c = nil
		if e.doubt != "" && e.client == client { // else the next connection looks
			c = e.certificate
		}
		return c == nil || !c.Revoked.IsZero() || e.activeKnown && e.pushTold
	})
	if err != nil || c == nil || !c.Revoked.IsZero() {
		return
	}
	target := e.f.Project().Schema
	if target == nil || c.Holds(target.Hash(), e.f.now(), e.f.freshFor()) != "" {
		e.f.change(func() { e.doubt = "" }) // it does not hold for another reason, which is said
		return
	}
	record := func() {}
	e.f.change(func() { record = e.pushSeen() })
	record()
	why, err := e.sinceCertificate(ctx, client, target, c)
	switch {
	case ctx.Err() != nil:
		return
	case err != nil:
		e.f.change(func() {
			e.doubt = "the certificate could not be checked again: " + firstLine(err.Error())
			e.rechecked = true
		})
		return
	case why == "":
		if !e.caughtUp(ctx, client, c, began) {
			return
		}
	default:
		// The watch begins where the certificate stands, and says more: which
		// documents, since when.
		bounded, cancel := context.WithTimeout(ctx, e.f.patience(watchTakesOver))
		_ = e.f.wait(bounded, func() bool { return e.certificate != c || e.writers != nil && len(e.writers.Offenders) > 0 })
		cancel()
		e.f.mu.Lock()
		same := e.certificate != nil && e.certificate.Ended.Equal(c.Ended)
		e.f.mu.Unlock()
		if same { // a newer one, of here or of another Strait, says nothing of this
			e.f.revoke(e, why)
		}
	}
	e.f.change(func() {
		if e.client == client && e.certificate != nil && e.certificate.Ended.Equal(c.Ended) {
			e.doubt, e.rechecked, e.f.planned.stale = "", true, true
		}
	})
}

// lookedAgain is how long who waits for an environment waits for the watch as
// well.
const lookedAgain = 10 * time.Second

// stillLooking is said of a certificate while the watch reads what was written
// since it was issued.
const stillLooking = "what was written since the certificate was issued is still being looked at"

// caughtUp waits until the watch for old-shape writers has looked at what was
// written until a moment, or can but count the documents again, which takes its
// time and is not waited for; false when ctx ends before. When it
// takes long, the environment is known meanwhile, and the certificate is in
// doubt.
func (e *env) caughtUp(ctx context.Context, client *wire.Client, c *plan.Certificate, until time.Time) bool {
	f := e.f
	slow := time.AfterFunc(f.patience(lookedAgain), func() {
		f.change(func() {
			if e.client == client && e.certificate == c && e.doubt != "" {
				e.doubt, e.rechecked, f.planned.stale = stillLooking, true, true
			}
		})
	})
	defer slow.Stop()
	return f.wait(ctx, func() bool {
		w := e.writers
		return e.certificate != c || e.client != client || e.looker == client && (w == nil || w.How == byRecount || !w.Checked.Before(until) || len(w.Offenders) > 0)
	}) == nil
}

// sinceCertificate says what was written since a certificate that does not fit;
// "" nothing was found.
func (e *env) sinceCertificate(ctx context.Context, client *wire.Client, target *schema.Schema, c *plan.Certificate) (why string, err error) {
	e.f.mu.Lock()
	cmp := e.compared()
	e.f.mu.Unlock()
	shapes, err := client.Shapes(ctx, "")
	if err != nil {
		shapes = nil // a short cut, no more
	}
	names, err := client.Tables(ctx, "")
	if err != nil {
		return "", err
	}
	ids, err := client.TableMapping(ctx, "")
	if err != nil {
		return "", err
	}
	left := recheckBound
	for _, t := range target.Tables {
		if cmp != nil && cmp.Enforced(t.Name) || !slices.Contains(names, t.Name) {
			continue
		}
		if s, ok := shapes[t.Name]; ok {
			if fits, err := schema.IncludesDocuments(t.Document, s.Validator()); err == nil && fits {
				continue
			}
		}
		found, err := newOffenders(ctx, client, t, mapping(ids), c.Started.Add(-createdSlack), &left)
		if err != nil {
			return "", fmt.Errorf("table %s: %w", t.Name, err)
		}
		if found > 0 {
			return fmt.Sprintf("%s of the old shape are among the documents that were made in %s since the count", thousands(int64(found)), t.Name), nil
		}
	}
	return "", nil
}

var errTooMany = errors.New("more documents were made since than are looked at again: count anew")

// newOffenders counts, newest first, the documents of a table that were made
// since and do not fit.
func newOffenders(ctx context.Context, client *wire.Client, t *schema.Table, ids mapping, since time.Time, left *int) (found int, err error) {
	for cursor, n := "", recheckPage; ; {
		page, err := client.TableData(ctx, "", t.Name, "desc", cursor, n)
		if functionError(err) != nil && n > 8 {
			n /= 4
			continue
		}
		if err != nil {
			return found, err
		}
		for _, doc := range page.Documents {
			if made, _ := get(doc, "_creationTime").(float64); made < float64(since.UnixMilli()) {
				return found, nil
			}
			if *left--; *left < 0 {
				return found, errTooMany
			}
			if !t.FitsDocument(doc, ids) {
				found++
			}
		}
		if page.IsDone || page.Cursor == cursor {
			return found, nil
		}
		cursor = page.Cursor
	}
}
