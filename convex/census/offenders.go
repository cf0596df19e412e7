package census

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"strait/model/value"
	"strait/plan"
)

// Offender is a line of WriteOffenders.
type Offender struct {
	Component string `json:"component,omitempty"` // path; absent at the root
	Table     string `json:"table"`
	Path      string `json:"path"`   // of the group: "users.profile.zip"; "" the whole document
	Reason    string `json:"reason"` // missing, extra, type, literal, id, union
	Count     int64  `json:"count"`  // of documents in the group, of which this is a sample
	ID        string `json:"id"`
	Place     string `json:"place"`              // where in the document, exactly: ".tags[3]"
	Expected  string `json:"expected,omitempty"` // the validator there, printed; absent for an extra field
	Got       string `json:"got,omitempty"`      // what is there: its type, or a short scalar
	Message   string `json:"message"`            // Convex's text
	// Document is export JSON (convex-wire.md 8.3), as an export's
	// documents.jsonl has it: integers are int64, floats have a fraction. Absent
	// where the document is not at hand, as of a census of an earlier process.
	Document json.RawMessage `json:"document,omitempty"`
	Masked   bool            `json:"masked"` // values are masked, as Mask says
}

// WriteOffenders writes the samples of a census as JSON Lines: one Offender a
// line, group after group in the order of the census. A document that is wrong
// in several ways comes once in each of its groups.
//
//	{"table":"users","path":"users.age","reason":"type","count":3,"id":"j57…","place":".age",
//	 "expected":"v.number()","got":"string","message":"Value does not match …","document":{"_id":"j57…",…},"masked":false}
//
// (One line; broken here.) A census of Masked is written masked.
func WriteOffenders(w io.Writer, c *plan.Census) error {
	out := bufio.NewWriter(w)
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	for _, g := range c.Groups {
		for _, s := range g.Samples {
			o := Offender{
				Component: c.Component, Table: g.Table, Path: g.Path, Reason: g.Reason, Count: g.Count,
				ID: s.ID, Place: s.Place, Expected: s.Expected, Got: s.Got, Message: s.Message, Masked: s.Masked,
			}
			if s.Document != nil {
				o.Document = value.AppendExport(nil, s.Document)
			}
			if err := enc.Encode(o); err != nil {
				return fmt.Errorf("write offenders: %w", err)
			}
		}
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write offenders: %w", err)
	}
	return nil
}
