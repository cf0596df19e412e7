package plan

import "fmt"

// tactic is how to carry out a kind of change. A push replaces all code and
// the schema at one moment, so within a deployment no old function runs beside
// a new one for long. What goes on after a push, and what the tactics reckon
// with: mutations that were scheduled earlier run the new code with the
// arguments of the old, actions under way call new functions, clients that
// were loaded earlier send old arguments and read old answers; and whoever
// rolls back runs the old code on documents that the new code wrote.
type tactic struct {
	strategy Strategy
	because  string
	deploys  []Deploy
}

// tactics are by the kind of the change that decides.
var tactics = map[string]func(*situation) tactic{
	RequiredFieldAdded: (*situation).fill,
	OptionalToRequired: (*situation).fill,
	FieldRemoved:       (*situation).remove,
	TypeChanged:        (*situation).convert,
	LiteralsChanged:    (*situation).convert,
	IDTargetChanged:    (*situation).convert,
	TypeNarrowed:       (*situation).narrow,
	UnionShrunk:        (*situation).narrow,
	LiteralsShrunk:     (*situation).narrow,
	TableRemoved:       (*situation).removeTable,
	TableAdded:         (*situation).checkTable,
	ValidationOn:       (*situation).switchOn,
	ValidationOff:      (*situation).switchOff,
	FieldAdded:         (*situation).grow,
	RequiredToOptional: (*situation).grow,
	TypeWidened:        (*situation).grow,
	UnionGrown:         (*situation).grow,
	LiteralsGrown:      (*situation).grow,
	IndexAdded:         (*situation).addIndex,
	IndexUnstaged:      (*situation).addIndex,
	IndexRemoved:       (*situation).removeIndex,
	IndexStaged:        (*situation).removeIndex,
	IndexChanged:       (*situation).changeIndex,
}

func (s *situation) tactic() tactic {
	f := tactics[s.main.Kind]
	switch {
	case s.main.Class == UnknownKind:
		return s.undecided()
	case f != nil:
		return f(s)
	case s.main.Class == Breaking || s.main.Class == Destructive:
		return s.convert()
	}
	return s.grow()
}

const (
	redeployWidened = "Redeploy the widened schema with the code of the step before the migration: it is always accepted, for it takes all that the target takes."
	countUndo       = "Nothing to undo: counting only reads."
	formerSchema    = "Keep the widened schema: the former one refuses documents that were written since."
)

// ending is how every migration ends: count, then deploy the target.
func ending(does string) []Deploy {
	return []Deploy{
		{
			Title:    "Count to zero",
			Does:     "Count in full the documents that do not fit the target; it must be none. A migration's success only says that its cursor came to the end.",
			RollBack: countUndo,
		},
		{Title: "Deploy the target", Does: does, RollBack: redeployWidened},
	}
}

// fill is for a field that documents lack.
func (s *situation) fill() tactic {
	f := s.place()
	if from := s.renamedFrom(); from != "" {
		return s.rename(from)
	}
	first := Deploy{
		Title: "Deploy the widened schema, and code that always writes the field",
		Does: fmt.Sprintf("%s is optional. Every insert and replace sets it; code that reads still takes a document without it. "+
			"Calls with old arguments (from clients loaded earlier, or scheduled earlier) are given the value on the server.", f),
		RollBack: "Redeploy the former code. " + formerSchema + " What the former code writes lacks the field again: once you are back on this step, start the migration from the beginning.",
	}
	if s.main.Kind == OptionalToRequired {
		first.Title = "Deploy code that always writes the field"
		first.RollBack = "Redeploy the former code: the field was optional then, so all documents fit. What it writes may lack the field: once you are back on this step, start the migration from the beginning."
	}
	deploys := []Deploy{first, {
		Title:    "Migrate",
		Does:     fmt.Sprintf("Give %s to the documents that lack it.", f),
		RollBack: "Nothing to undo: no code relies on the field yet. What was filled in can stay; if it was wrong, correct it by another migration, for this one passes over documents that have the field.",
	}}
	return tactic{DualWrite,
		"A field more disturbs no reader: write it from the first deploy on, and rely on it only when no document lacks it. Until then every step can be taken back.",
		append(deploys, ending(fmt.Sprintf("%s is required, and code may rely on it.", f))...)}
}

// rename is for a field that takes the place of another one.
func (s *situation) rename(from string) tactic {
	f := s.place()
	return tactic{DualWrite,
		fmt.Sprintf("If %s is %s under another name, both can be kept the same until nothing reads the old one: former code finds what it knows, and every step before the removal can be taken back. If it is no rename, choose another value in the migration.", f, from),
		append([]Deploy{
			{
				Title:    "Deploy the widened schema, and code that writes both fields",
				Does:     fmt.Sprintf("Both are optional. Every write sets %s and %s to the same value; code still reads %s.", from, f, from),
				RollBack: "Redeploy the former code: the old field is complete. " + formerSchema + " What the former code writes goes into the old field only: once you are back on this step, start the copy from the beginning.",
			},
			{
				Title:    "Migrate: copy",
				Does:     fmt.Sprintf("Copy %s to %s where it is absent.", from, f),
				RollBack: "Nothing to undo: code reads the old field still.",
			},
			{
				Title:    "Deploy code that reads the new field",
				Does:     fmt.Sprintf("Read %s; go on writing both.", f),
				RollBack: "Redeploy the code before: the old field is still written.",
			},
			{
				Title:    "Deploy code that no longer writes the old field, then remove it",
				Does:     fmt.Sprintf("See the advice on %s: its migration unsets it.", from),
				RollBack: "Redeploy the code before only while the old field is there. From the first write without it, the old field is out of date; after the migration it is gone.",
			},
		}, ending(fmt.Sprintf("Only %s is left, and it is required.", f))...)}
}

// remove is for a field that the target does not have.
func (s *situation) remove() tactic {
	if s.move != nil {
		return s.moveOut()
	}
	f, first := s.place(), ""
	if s.main.Rename != "" {
		first = fmt.Sprintf(" If it goes on as %s, do this only when that is filled and read: see the advice on it.", s.sibling(s.main.Rename))
	}
	return tactic{DualWrite,
		"Former code may need the field: go on writing it until no code reads it, then stop writing, then unset it. What was stored in it cannot be had back but from a backup.",
		append([]Deploy{
			{
				Title:    "Deploy code that does not read the field",
				Does:     fmt.Sprintf("Nothing reads %s any more, neither queries, mutations, actions nor clients; it is still written as before, and the schema stays.", f),
				RollBack: "Redeploy the former code: the documents are as they were.",
			},
			{
				Title: "Deploy the widened schema, and code that does not write the field",
				Does: fmt.Sprintf("%s is optional and nothing writes it: no insert, replace or patch, and no spread of a whole document. "+
					"Keep it as an optional argument of functions for a while, and ignore it: clients loaded earlier and calls scheduled earlier still send it.", f),
				RollBack: "Redeploy the code of the step before. " + formerSchema + " Documents written since lack the field: code from before step 1, which reads it, must not come back unless it can do without.",
			},
			{
				Title:    "Back up",
				Does:     "Take a snapshot export of this environment and keep it: the next step throws away what the field holds.",
				RollBack: "Nothing to undo.",
			},
			{
				Title:    "Migrate",
				Does:     fmt.Sprintf("Unset %s in the documents that hold it.%s", f, first),
				RollBack: "This is the point of no return: what the field held is lost, except in the backup. Cancelling keeps what was not reached yet. Code that does not read the field is not affected.",
			},
		}, ending(fmt.Sprintf("%s is gone from the schema.", f))...)}
}

// moveOut is for an object that gets documents of its own.
func (s *situation) moveOut() tactic {
	f, to := s.place(), s.move.table.Name
	return tactic{DualWrite,
		fmt.Sprintf("%s looks like what the new table %s holds. Written to both places, former code still finds it; read from the table first, new code finds it wherever it is.", f, to),
		append([]Deploy{
			{
				Title:    "Deploy the widened schema, and code that writes both places",
				Does:     fmt.Sprintf("%s is optional and table %s exists. Write both; read %s first, and %s where there is no document yet.", f, to, to, f),
				RollBack: fmt.Sprintf("Redeploy the former code: %s is complete. %s What the former code writes does not reach %s: once you are back on this step, delete the documents of %s that are out of date.", f, formerSchema, to, to),
			},
			{
				Title:    "Deploy code that writes the new table only",
				Does:     fmt.Sprintf("Nothing writes %s. Read as in the step before.", f),
				RollBack: fmt.Sprintf("Redeploy the code of the step before. Code from before step 1 would miss what was written to %s since.", to),
			},
			{Title: "Back up", Does: "Take a snapshot export of this environment and keep it.", RollBack: "Nothing to undo."},
			{
				Title:    "Migrate",
				Does:     fmt.Sprintf("Insert a document into %s for each %s that has none, then unset %s.", to, f, f),
				RollBack: fmt.Sprintf("Cancel it: code that reads both places works on half of it. Code from before step 1 needs %s back: from %s by a migration, or from the backup.", f, to),
			},
		}, ending(fmt.Sprintf("%s is gone; code reads %s only.", f, to))...)}
}

// convert is for a value that becomes another kind of value in its place.
func (s *situation) convert() tactic {
	f := s.place()
	because := fmt.Sprintf("%s cannot hold both shapes at once, so code must read both until the migration is done. "+
		"A new field beside it could hold the new shape (dual write: write both, backfill, switch reads, drop the old one), and every step but the last could be taken back: prefer that where the name may change.", f)
	if s.main.Kind == IDTargetChanged {
		because = fmt.Sprintf("%s holds an id of one table or of the other, so code must look at which until the migration is done. "+
			"A new field of another name could hold the new id beside the old one (dual write), and every step but the last could be taken back: prefer that where the name may change.", f)
	}
	return tactic{DualRead, because,
		append([]Deploy{
			{
				Title:    "Deploy the widened schema, and code that reads both shapes",
				Does:     fmt.Sprintf("%s takes the old and the new shape. All that reads it takes both, clients included; all that writes it still writes the old one.", f),
				RollBack: "Redeploy the former code: no document has the new shape yet.",
			},
			{
				Title:    "Deploy code that writes the new shape",
				Does:     "Nothing writes the old shape any more. Functions convert old arguments that clients loaded earlier and calls scheduled earlier still send.",
				RollBack: "Redeploy the code of the step before, which reads both. Code from before step 1 would meet values that it does not know. What was written in the old shape meanwhile needs the migration from the beginning.",
			},
			{Title: "Back up", Does: "Take a snapshot export of this environment: a conversion may lose what the old shape told.", RollBack: "Nothing to undo."},
			{
				Title:    "Migrate",
				Does:     fmt.Sprintf("Convert %s in the documents of the old shape.", f),
				RollBack: "Cancel it: code that reads both shapes works on half of it. What is converted stays so; only another migration, or the backup, brings the old values back.",
			},
		}, ending(fmt.Sprintf("%s has the new shape only, and so may the code that reads it.", f))...)}
}

// narrow is for values that are no longer allowed.
func (s *situation) narrow() tactic {
	f := s.place()
	return tactic{DualRead,
		fmt.Sprintf("All that %s may hold afterwards it may hold today: stop writing what goes first, and go on reading it until no document holds it.", f),
		append([]Deploy{
			{
				Title: "Deploy code that no longer writes what goes",
				Does: "Readers still take it. Functions map it in arguments that clients loaded earlier and calls scheduled earlier still send. " +
					"The schema need not change for this field: it accepts the remaining values already.",
				RollBack: "Redeploy the former code: every document fits it. It may write again what goes: once you are back on this step, start the migration from the beginning.",
			},
			{
				Title:    "Migrate",
				Does:     fmt.Sprintf("Map what goes from %s to what stays. Back up first where several values become one: that cannot be told apart afterwards.", f),
				RollBack: "The former code goes on working, for the new values are among those it knows. Which documents held what went is lost, except in a backup.",
			},
		}, ending(fmt.Sprintf("%s holds only what stays, and readers may forget the rest.", f))...)}
}
