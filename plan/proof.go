package plan

import (
	"time"

	"strait/model/value"
)

// Proof is the search for a counterexample to one row: documents that widened
// accepts and the target refuses are put through the migrations that are said
// to cover it (design.md section 4).
type Proof struct {
	Title      string        `json:"title"` // of the row
	Table      string        `json:"table"`
	Path       string        `json:"path,omitempty"`
	Migrations []string      `json:"migrations"`
	Verdict    Verdict       `json:"verdict"`
	Why        string        `json:"why,omitempty"`
	Seed       uint64        `json:"seed"`
	Documents  int           `json:"documents"` // that were put through, fitting ones as well
	Sampled    int           `json:"sampled"`   // of these, real ones
	At         time.Time     `json:"at"`
	Took       time.Duration `json:"took"`
	// Counter is the smallest counterexample that was found; nil without.
	Counter *Counterexample `json:"counterexample,omitempty"`
}

// Verdict is what a proof came to.
type Verdict string

// The verdicts.
const (
	Held      Verdict = "held"      // no counterexample among Documents
	Refuted   Verdict = "refuted"   // Counter
	Uncovered Verdict = "uncovered" // no migration is said to cover it
	Unproven  Verdict = "unproven"  // it could not be tried: Why
)

// What a counterexample shows.
const (
	KindMisfit         = "misfit"          // the outcome does not fit
	KindThrows         = "throws"          // or is stopped at a limit
	KindNotIdempotent  = "not-idempotent"  // a second run changes it again
	KindTouchesFitting = "touches-fitting" // a document that fits is changed
	KindOtherTable     = "other-table"     // what it writes elsewhere does not fit there
)

// Counterexample is a document that a migration does not bring to the target.
type Counterexample struct {
	Kind      string `json:"kind"` // one of the Kind constants
	Migration string `json:"migration"`
	Real      bool   `json:"real,omitempty"`   // shrunk from a document of a deployment
	Masked    bool   `json:"masked,omitempty"` // its scalars are masks
	// Dangling are the fields of Before whose ids lead to no document: what is
	// wrong with it where nothing else is.
	Dangling []string `json:"dangling,omitempty"`
	// Before is the smallest document, After what became of it and Again what a
	// second run made of that; nil: deleted, or never got so far.
	Before value.Object `json:"-"`
	After  value.Object `json:"-"`
	Again  value.Object `json:"-"`
	// Other is the document of another table that it wrote, where that is what is
	// wrong; Place then begins with the table.
	Other     value.Object `json:"-"`
	Place     string       `json:"place,omitempty"` // of the violation in After, in Again or in Other
	Way       []string     `json:"way,omitempty"`   // the same step by step within that document; nil: it as a whole
	Expected  string       `json:"expected,omitempty"`
	Got       string       `json:"got,omitempty"`
	Violation string       `json:"violation"`        // Convex's text, or what was thrown
	Thrown    bool         `json:"thrown,omitempty"` // Violation is the text of what the function threw
	Frame     string       `json:"frame,omitempty"`  // "convex/migrations.ts:41"
}
