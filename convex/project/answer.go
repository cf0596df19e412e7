package project

import "strait/model/value"

// Finished reports whether the answer of a paged migration says that there is
// nothing more.
func Finished(answer value.Value) bool {
	o, _ := answer.(value.Object)
	for _, name := range []string{"isDone", "done", "complete", "finished"} {
		if done, _ := o.Get(name); done == true {
			return true
		}
	}
	more, ok := o.Get("hasMore")
	return ok && more == false
}

// NextCursor finds where the next page begins in the answer of a paged
// migration; known is false when it does not say, and next is nil then.
func (m Migration) NextCursor(answer value.Value) (next value.Value, known bool) {
	if text, ok := answer.(string); ok {
		return text, true
	}
	o, _ := answer.(value.Object)
	for _, name := range []string{"continueCursor", "nextCursor", "cursor", m.CursorArg} {
		if c, ok := o.Get(name); ok {
			return c, true
		}
	}
	return nil, false
}
