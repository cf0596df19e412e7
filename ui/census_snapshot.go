package ui

import (
	"context"
	"errors"
	"fmt"
	"time"

	"strait/convex/census"
	"strait/convex/snapshot"
	"strait/plan"
)

// tellEvery is how often a census without a screen says how far it is.
const tellEvery = 2 * time.Second

// censusOfSnapshot is strait census --snapshot FILE: the documents of an export
// that do not fit the target. It needs no environment.
func (c *cli) censusOfSnapshot(f censusFlagSet) error {
	ctx, stop := interruptible()
	defer stop()
	p, err := c.load(ctx)
	if err != nil {
		return err
	}
	if p.Schema == nil {
		return hint(errors.New("the target schema could not be loaded, so there is nothing to count against"), "strait inspect says what is wrong")
	}
	archive, err := snapshot.Open(f.snapshot)
	if err != nil {
		return err
	}
	defer archive.Close()
	last := time.Now()
	found, err := census.Snapshot(ctx, archive, census.Options{Target: p.Schema, Component: f.o.Component, Progress: func(p census.Progress) {
		if now := time.Now(); now.Sub(last) >= tellEvery {
			last = now
			fmt.Fprintf(c.err, "strait: %s read (%s), %s %s so far, about %s left\n", documents(p.Read), percent(p.Bytes, p.Size), count(p.Found), notFit(p.Found), span(p.ETA))
		}
	}})
	if err != nil {
		if errors.Is(err, context.Canceled) {
			return &coded{hint(errors.New("interrupted"), "nothing was written"), exitInterrupted}
		}
		return err
	}
	return c.told(found, nil, 0, f.snapshot, f)
}

// sayFound writes a census for people; of is where it was taken.
func (c *cli) sayFound(found *plan.Census, of string) {
	switch {
	case found.Offenders == 0 && found.Full:
		c.say("all %s of %s fit the target", documents(documentsOf(found)), of)
		return
	case found.Offenders == 0 && found.Stopped == "":
		c.say("sampled: none of %s in %s misfits, so at most %s of %s do, with 95 %%", documents(found.Read), of, count(mostOf(found)), count(documentsOf(found)))
		return
	case found.Full:
		c.say("%s of %s in %s %s the target", documents(found.Offenders), count(documentsOf(found)), of, notFit(found.Offenders))
	case found.Stopped == "":
		c.say("sampled: %s of %s in %s %s the target, so at most %s of %s do, with 95 %%", documents(found.Offenders), count(found.Read), of, notFit(found.Offenders), count(mostOf(found)), count(documentsOf(found)))
	default:
		c.say("%s of %s read so far in %s %s the target", documents(found.Offenders), count(found.Read), of, notFit(found.Offenders))
	}
	rows := [][]string{}
	for _, g := range found.Groups {
		sample := ""
		if len(g.Samples) > 0 {
			sample = g.Samples[0].ID
		}
		rows = append(rows, []string{"  " + count(g.Count), groupName(g), reasonWord(g.Reason), sample})
	}
	c.table(rows, 0)
}
