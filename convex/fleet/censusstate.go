package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"strait/convex/census"
	"strait/plan"
)

// A census that was stopped goes on where it was: in this process, and of a
// real deployment in a later one too, by a file below .strait/census. The file
// holds counts, paths, ids and cursors of pages, no content of a document.

// savedCensus is a census on its way, as it is kept.
type savedCensus struct {
	Deployment string       `json:"deployment"`
	Schema     string       `json:"schema"`           // hash of the target
	Pushed     float64      `json:"pushed,omitempty"` // as env.pushedAt when it began
	Active     string       `json:"active,omitempty"`
	State      census.State `json:"state"`
}

// saveEvery is how often a census on its way is written.
const saveEvery = 2 * time.Second

var notInName = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

// censusFile is where a census of a deployment is kept.
func (f *Fleet) censusFile(place string, b censusBegin) string {
	name := cut(notInName.ReplaceAllString(place, "_"), 80) + "-" + hashOf(place+"\n"+b.component+"\n"+b.schema) + ".json"
	return filepath.Join(f.project.Root, ".strait", "census", name)
}

// keeper keeps the state of a census after its pages: the newest in memory, and
// of a real deployment now and then on the disk.
func (f *Fleet) keeper(e *env, b censusBegin) func(census.State) {
	f.mu.Lock()
	place, disk := e.place, !e.embedded
	f.mu.Unlock()
	var wrote time.Time
	return func(s census.State) {
		x := &savedCensus{Deployment: place, Schema: b.schema, Pushed: b.pushed, Active: b.active, State: s}
		f.mu.Lock()
		if e.stopped == nil {
			e.stopped = map[string]*savedCensus{}
		}
		e.stopped[b.component] = x
		f.mu.Unlock()
		if !disk || time.Since(wrote) < saveEvery {
			return
		}
		wrote = time.Now()
		if err := f.writeCensus(place, b, x); err != nil {
			f.change(func() { f.say("warn", e.cfg.Name, err.Error()) })
		}
	}
}

// progressSaved writes the last state of a census that stopped, and drops that
// of one that came to its end; c nil: it failed.
func (f *Fleet) progressSaved(e *env, b censusBegin, c *plan.Census) {
	f.mu.Lock()
	place, disk, x := e.place, !e.embedded, e.stopped[b.component]
	over := c != nil && c.Stopped == ""
	if over {
		delete(e.stopped, b.component)
	}
	f.mu.Unlock()
	var err error
	switch {
	case !disk:
	case over:
		if err = os.Remove(f.censusFile(place, b)); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	case x != nil && x.Deployment == place && x.Schema == b.schema:
		err = f.writeCensus(place, b, x)
	}
	if err != nil {
		f.change(func() { f.say("warn", e.cfg.Name, err.Error()) })
	}
}

func (f *Fleet) writeCensus(place string, b censusBegin, x *savedCensus) error {
	path := f.censusFile(place, b)
	text, err := json.Marshal(x)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = replaceFile(path, text)
	}
	if err != nil {
		return fmt.Errorf("the census cannot be kept, so it begins anew if it is stopped: %w", err)
	}
	return nil
}

// replaceFile writes a file in one step, for its owner alone.
func replaceFile(path string, text []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // 0600
	if err != nil {
		return err
	}
	_, err = tmp.Write(text)
	if err2 := tmp.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = os.Rename(tmp.Name(), path)
	}
	if err != nil {
		os.Remove(tmp.Name())
	}
	return err
}

// savedCensus is the stopped census to go on with: of the same deployment,
// component and target; nil when there is none.
func (f *Fleet) savedCensus(e *env, b censusBegin) *savedCensus {
	f.mu.Lock()
	place, disk, x := e.place, !e.embedded, e.stopped[b.component]
	f.mu.Unlock()
	if x == nil && disk {
		text, err := os.ReadFile(f.censusFile(place, b))
		if err != nil {
			return nil
		}
		x = &savedCensus{}
		if json.Unmarshal(text, x) != nil {
			return nil
		}
	}
	if x == nil || x.Deployment != place || x.Schema != b.schema || x.State.Schema != b.schema || x.State.Component != b.component {
		return nil
	}
	return x
}
