package plan

import (
	"time"

	"strait/model/schema"
	"strait/model/value"
)

// Census counts the documents of one component of an environment that do not
// fit the target.
type Census struct {
	Deployment string                `json:"deployment,omitempty"` // its name, or the snapshot's file
	Component  string                `json:"component,omitempty"`  // path; "" the root
	Schema     string                `json:"schema"`               // hash of the target it was taken against
	Started    time.Time             `json:"started,omitzero"`
	At         time.Time             `json:"at"`                // its end
	Full       bool                  `json:"full"`              // every document that may misfit was read
	Stopped    string                `json:"stopped,omitempty"` // why it ended before its end: its budget, a cancel; "" it did not
	Read       int64                 `json:"read"`
	Bytes      int64                 `json:"bytes,omitempty"`  // of the documents read, as Convex counts them
	Offenders  int64                 `json:"offenders"`        // documents, each once; of a sampled census those found
	Tables     map[string]int64      `json:"tables,omitempty"` // offenders by table, of those that were read
	Counts     map[string]TableCount `json:"counts,omitempty"` // every table of the target that exists there
	Groups     []Group               `json:"groups,omitempty"` // sorted by table, path, reason
	Stale      bool                  `json:"stale,omitempty"`  // documents were written since and not looked at
	// Brought says why documents were brought here page by page rather than
	// checked where they lie; "" they were not. It changes the cost, not the
	// result.
	Brought string `json:"brought,omitempty"`
}

// TableCount is what a census knows of one table.
type TableCount struct {
	Documents int64 `json:"documents"` // in the table when it began; -1 unknown
	Read      int64 `json:"read"`
	Offenders int64 `json:"offenders"`
	// Proved says why no document had to be read: ByEmpty, BySchema, ByShapes;
	// "" they were.
	Proved string `json:"proved,omitempty"`
	// Most is, of a sampled table, the number of offenders that it has at most,
	// with 95 % confidence; else Offenders.
	Most int64 `json:"most"`
	// Failed says why the table was not read to its end although the census
	// went on with others; "" it was, or Census.Stopped says why not.
	Failed string `json:"failed,omitempty"`
	Size   Size   `json:"size,omitzero"` // of the documents read
}

// Why a table needs no reading.
const (
	ByEmpty  = "empty"  // it holds no document
	BySchema = "schema" // the active schema lets nothing in that the target refuses
	ByShapes = "shapes" // the deployment's inferred shapes fit the target (convex-wire.md 6.3)
)

// Group is one group of offenders of a census.
type Group struct {
	Table   string   `json:"table"`
	Path    string   `json:"path"`   // as Change.Path: "" the whole document, else "users.profile.zip"
	Reason  string   `json:"reason"` // one of model/schema's Reason constants
	Count   int64    `json:"count"`
	Samples []Sample `json:"samples,omitempty"`
}

// Sample is one offender. Where values are masked, Document has the masks in
// place of its scalars, and Message, Expected and Got repeat none.
type Sample struct {
	ID       string       `json:"id"`
	Place    string       `json:"place"`         // where in the document, in Convex's words: ".tags[3]", ".scores.values()"
	Way      []string     `json:"way,omitempty"` // the same step by step, to the very entry of a record: "scores", "anna"
	Message  string       `json:"message"`
	Expected string       `json:"expected,omitempty"`
	Got      string       `json:"got,omitempty"`
	Closest  *Near        `json:"closest,omitempty"` // what the union there came nearest to; nil it says no more
	Masked   bool         `json:"masked,omitempty"`
	Document value.Object `json:"-"`
}

// Near is what the member of a union that comes closest to a value refuses in
// it.
type Near struct {
	Way      []string `json:"way,omitempty"` // from the value: the steps to what is refused; none: the value
	Reason   string   `json:"reason"`        // a schema.Reason constant
	Expected string   `json:"expected,omitempty"`
	Got      string   `json:"got,omitempty"`
}

// SampleOf is a document with the place at which it does not fit.
func SampleOf(id string, doc value.Object, v schema.Violation) Sample {
	s := Sample{ID: id, Place: v.Path, Way: v.Way, Message: v.Message, Expected: v.Expected, Got: v.Got, Document: doc}
	if near := v.Closest; near != nil {
		for near.Closest != nil {
			near = near.Closest
		}
		s.Closest = &Near{Way: near.Way[min(len(v.Way), len(near.Way)):], Reason: near.Reason, Expected: near.Expected, Got: near.Got}
	}
	return s
}

// Certificate is the proof that an environment holds no document that the
// target refuses: a full census of zero. It is kept in the journal.
type Certificate struct {
	Env        string           `json:"env"`
	Deployment string           `json:"deployment"`
	Schema     string           `json:"schema"`           // hash of the target
	Tables     map[string]int64 `json:"tables,omitempty"` // documents read by table
	Proved     []string         `json:"proved,omitempty"` // tables that needed no reading
	Started    time.Time        `json:"started"`
	Ended      time.Time        `json:"ended"`
	Tool       string           `json:"tool"`             // "strait 1.2.0"
	Active     string           `json:"active,omitempty"` // hash of the schema that was deployed; "" none
	// Pushed is the moment of the deployment's last push when it was issued, by
	// its own clock, in milliseconds; 0 it does not tell.
	Pushed  float64   `json:"pushed,omitempty"`
	Revoked time.Time `json:"revoked,omitzero"` // zero: it stands
	Why     string    `json:"why,omitempty"`    // it was revoked
}

// Writers is the watch for old-shape writers: code that goes on writing
// documents which the target refuses, after they have all been migrated.
type Writers struct {
	Since     time.Time        `json:"since"`               // watched without a gap since then
	Checked   time.Time        `json:"checked"`             // what was written until then was looked at
	How       string           `json:"how"`                 // what is seen: one of the Watch constants
	Offenders map[string]int64 `json:"offenders,omitempty"` // since then, by table
	First     time.Time        `json:"first,omitzero"`      // when the first was seen
	Samples   []Group          `json:"samples,omitempty"`
	// Likely are the functions that ran when they were written, the likeliest
	// first; empty where the function log does not tell.
	Likely []string `json:"likely,omitempty"`
}

// How writers are watched for.
const (
	WatchChanges = "changes" // every write, by the stream of changes
	WatchShapes  = "shapes"  // every write, by the inferred shapes
	WatchRecount = "recount" // new documents at once, changed ones when their table is read again
)

// Backup is an export that was downloaded and read through.
type Backup struct {
	Env        string    `json:"env"`
	Deployment string    `json:"deployment"`
	File       string    `json:"file"` // relative to the project's root where it lies below it
	Of         time.Time `json:"of"`   // the moment of its data
	At         time.Time `json:"at"`   // when it was verified
	Bytes      int64     `json:"bytes"`
	Documents  int64     `json:"documents"`
	SHA256     string    `json:"sha256"`
}
