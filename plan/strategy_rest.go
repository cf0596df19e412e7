package plan

import "fmt"

// undecided is for a change whose meaning could not be computed.
func (s *situation) undecided() tactic {
	return tactic{DualRead,
		"What exactly changes could not be decided, so take it as a change of shape: code must read both.",
		append([]Deploy{
			{
				Title:    "Deploy the widened schema, and code that reads both shapes",
				Does:     fmt.Sprintf("%s takes what it took and what it will take.", s.place()),
				RollBack: "Redeploy the former code as long as nothing writes the new shape.",
			},
			{
				Title:    "Count, and migrate what does not fit",
				Does:     "Count in full against the target: the groups of offenders tell what must be rewritten. Back up before you do.",
				RollBack: "Cancel it: code that reads both shapes works on half of it.",
			},
		}, ending("Only the new shape is left.")...)}
}

// checkTable is for a table that holds documents no schema ever checked.
func (s *situation) checkTable() tactic {
	t := s.place()
	return tactic{NoDual,
		"The table holds documents that nothing ever checked; code of today already lives with them.",
		append([]Deploy{
			{
				Title:    "Count",
				Does:     fmt.Sprintf("Count the documents of %s that do not fit the target. The groups of offenders tell what they hold instead.", t),
				RollBack: countUndo,
			},
			{
				Title: "Declare the table with v.any(), and deploy code that writes only what the target accepts",
				Does: fmt.Sprintf("%s is declared as defineTable(v.any()), so that migrations and queries know it: the push of the target is refused while one document does not fit. "+
					"If nobody needs the documents, delete them instead.", t),
				RollBack: "Redeploy the former schema and code: nothing is enforced.",
			},
			{
				Title:    "Migrate",
				Does:     "Rewrite or delete what does not fit. Back up first.",
				RollBack: "Nothing but the backup brings rewritten or deleted documents back.",
			},
		}, Deploy{
			Title:    "Count to zero",
			Does:     "Count again in full; it must be none.",
			RollBack: countUndo,
		}, Deploy{
			Title:    "Deploy the target",
			Does:     fmt.Sprintf("Convex checks %s from now on.", t),
			RollBack: fmt.Sprintf("Redeploy the former schema: without %s in it, nothing is checked there.", t),
		})}
}

// switchOn is for a schema that begins to be enforced.
func (s *situation) switchOn() tactic {
	return tactic{NoDual,
		"Nothing was enforced so far, so documents of any shape may be stored in any table, and code of today already lives with them.",
		[]Deploy{
			{
				Title:    "Count",
				Does:     "Count every table in full against the target. The groups of offenders tell what must be rewritten; write a migration for each.",
				RollBack: countUndo,
			},
			{
				Title:    "Deploy code that writes only what the schema declares",
				Does:     "schemaValidation stays off. Look for `as any` and for raw arguments that go into ctx.db unchecked: types were the only guard.",
				RollBack: "Redeploy the former code: nothing is enforced.",
			},
			{
				Title:    "Migrate",
				Does:     "Run the migrations. Back up first.",
				RollBack: "Cancel them: nothing is enforced yet. Rewritten documents come back from the backup only.",
			},
			{
				Title:    "Count to zero",
				Does:     "Count again in full; it must be none. While validation is off nothing keeps bad documents out: deploy the target soon after.",
				RollBack: countUndo,
			},
			{
				Title:    "Deploy the target",
				Does:     "schemaValidation is on: the push checks every document, and every write is checked from then on. A write that was missed fails now.",
				RollBack: "Redeploy with schemaValidation off: always accepted.",
			},
		}}
}

func (s *situation) switchOff() tactic {
	return tactic{NoDual, "Nothing is refused any more, so nothing has to be rewritten.", []Deploy{{
		Title:    "Deploy the target",
		Does:     "Convex checks no document any more. Rather accept what you need in the schema (v.any() for one field): old shapes can come back unseen.",
		RollBack: "Redeploy with schemaValidation on: refused as soon as one document does not fit, so count first.",
	}}}
}

// removeTable is for a table that the target does not declare.
func (s *situation) removeTable() tactic {
	t := s.place()
	return tactic{NoDual,
		"Nothing takes the table's place, so there is nothing to write twice: stop using it, then empty it, then remove it.",
		[]Deploy{
			{
				Title:    "Deploy code that does not use the table",
				Does:     fmt.Sprintf("Nothing reads or writes %s, and no field holds its ids; the schema still declares it. Calls scheduled earlier must not need it.", t),
				RollBack: "Redeploy the former code: the documents are all there.",
			},
			{Title: "Back up", Does: fmt.Sprintf("Take a snapshot export: it is all that will be left of %s.", t), RollBack: "Nothing to undo."},
			{
				Title:    "Empty the table",
				Does:     "Delete its documents by a migration, while it is still declared and typed. Left alone they stay stored, unseen and unchecked, and count towards the plan's storage.",
				RollBack: "Point of no return: deleted documents come back from the backup only, by an import.",
			},
			{
				Title:    "Deploy the target",
				Does:     fmt.Sprintf("%s is gone from the schema; Convex drops its indexes.", t),
				RollBack: "Redeploy the schema with the table: always accepted while the documents are as they were. Its indexes are built again, and the push waits for that.",
			},
		}}
}

// grow is for a change that refuses nothing which is stored.
func (s *situation) grow() tactic {
	f := s.place()
	return tactic{DualRead,
		"Every stored document still fits. Code must read the new values before anything writes them.",
		[]Deploy{
			{
				Title:    "Deploy the target, and code that reads what is new",
				Does:     fmt.Sprintf("All that reads %s takes the new values, clients included; nothing writes them yet.", f),
				RollBack: "Redeploy the former schema and code: no document has a new value.",
			},
			{
				Title:    "Deploy code that writes what is new",
				Does:     fmt.Sprintf("From now on %s may hold the new values.", f),
				RollBack: "Redeploy the code of the step before, with the target. The former schema is refused from the first new value on.",
			},
		}}
}

func (s *situation) addIndex() tactic {
	return tactic{NoDual, "An index changes no document.", []Deploy{{
		Title:    "Deploy the target",
		Does:     "The push waits until the index is filled. On a large table stage it first (staged: true), wait until it is filled, then use it.",
		RollBack: "Redeploy the former schema and code: Convex drops the index.",
	}}}
}

func (s *situation) removeIndex() tactic {
	return tactic{NoDual, "An index changes no document, but queries and migrations that use it fail without it.", []Deploy{
		{
			Title:    "Deploy code that does not use the index",
			Does:     "No withIndex, withSearchIndex or vectorSearch names it, and no migration under way walks it.",
			RollBack: "Redeploy the former code: the index is still there.",
		},
		{
			Title:    "Deploy the target",
			Does:     "Convex switches the index off.",
			RollBack: "Redeploy the former schema: an index that was removed is built again, and the push waits for that; one that was only staged is still filled.",
		},
	}}
}

func (s *situation) changeIndex() tactic {
	return tactic{NoDual, "An index changes no document. Under a new name it can stand beside the old one until no query uses that.", []Deploy{
		{
			Title:    "Deploy the new index under a new name",
			Does:     "Queries still use the old one. Stage it first on a large table.",
			RollBack: "Redeploy the former schema: Convex drops the new index.",
		},
		{
			Title:    "Deploy code that uses the new index, then remove the old one",
			Does:     "Under one name both happen at once: the push waits until the new index is filled, and queries use the old one until then.",
			RollBack: "Redeploy the code of the step before while both are there; afterwards the old index is built again, and the push waits for that.",
		},
	}}
}
