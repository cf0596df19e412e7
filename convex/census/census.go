// Package census counts the documents that do not fit the target, next to the
// data of a deployment (convex-wire.md 14.2) or in an export, and gathers
// samples of them. It only reads.
package census

import (
	"fmt"
	"slices"
	"time"

	"strait/model/schema"
	"strait/plan"
)

// Options of a census.
type Options struct {
	Target *schema.Schema
	// Tables to count; nil all of Target. Those in Proved are not read, for the
	// reason given (plan.BySchema …).
	Tables []string
	Proved map[string]string
	// Counts are the documents by table, and Sizes how large they are, as far as
	// they are known.
	Counts      map[string]int64
	Sizes       map[string]Size
	Component   string // path; "" the root
	ComponentID string // of a deployment's component
	Sample      int64  // documents a table; 0 every one
	Budget      Budget
	Rate        float64 // documents a second; 0 no limit
	Seed        uint64  // where samples are taken; 0 chosen
	// Brought has every page of documents brought here and checked here, as is
	// done anyway where the deployment does not let the checker run.
	Brought bool
	// Resume goes on where State says an earlier census of the same target
	// stopped. Saved takes the state after each page.
	Resume *State
	Saved  func(State)
	// Progress is called after each page, never twice at once.
	Progress func(Progress)
	Now      func() time.Time // default time.Now
}

// tables are those of the target that are to be counted.
func (o *Options) tables() ([]*schema.Table, error) {
	for _, name := range o.Tables {
		if o.Target.Table(name) == nil {
			return nil, fmt.Errorf("the target has no table %q", name)
		}
	}
	var out []*schema.Table
	for _, t := range o.Target.Tables {
		if o.Tables == nil || slices.Contains(o.Tables, t.Name) {
			out = append(out, t)
		}
	}
	return out, nil
}

// Budget bounds what one call reads, that of a census it resumes not counted;
// 0 no bound. It is never passed. As a document may weigh a megabyte
// (value.MaxDocumentSize) and its weight is known only when it was read, a
// table is read on only while that much is left of Bytes. What a page has read
// that then failed is not told by a deployment: the most that it can have read
// is counted.
type Budget struct{ Documents, Bytes int64 }

// Progress of a census.
type Progress struct {
	Table              string
	Read, Found, Bytes int64
	Total              int64 // documents to read; -1 unknown
	Page               int   // documents a page, as it is now
	// Size is how many bytes there are to read, of which Bytes are read: of a
	// snapshot the text of its documents; 0 unknown.
	Size int64
	ETA  time.Duration // 0 unknown
}

// Size is how large the documents of a table are, as far as some were weighed.
type Size = plan.Size
