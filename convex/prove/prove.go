// Package prove searches for documents that a project's migrations do not bring
// to the target: real ones and made-up ones are put through the migrations'
// own code in an embedded deployment, and what comes out is checked (design.md
// section 4). It needs no deployment and writes to none.
package prove
