package plan

import (
	"testing"
	"time"

	"strait/model/source"
)

// What only a backup brings back wants a fresh one.
func TestDestructiveStepsWantABackup(t *testing.T) {
	def := Definition{Name: "migrations:dropB", Table: "users"}
	gone := &source.Facts{Migrations: map[string]*source.Body{"migrations:dropB": {Table: "users", Writes: []source.Write{
		{Op: source.Patch, Table: "users", Fields: []source.Field{{Name: "b", Unset: true}}}}}}}
	deleted := &source.Facts{Migrations: map[string]*source.Body{"migrations:dropB": {Table: "users", Writes: []source.Write{{Op: source.Delete}}}}}
	kept := &source.Facts{Migrations: map[string]*source.Body{"migrations:dropB": {Table: "users", Writes: []source.Write{
		{Op: source.Patch, Table: "users", Fields: []source.Field{{Name: "a"}}}}}}}
	fresh := &Backup{Of: noon.Add(-time.Hour), At: noon}
	for name, c := range map[string]struct {
		action   Action
		code     *source.Facts
		backup   *Backup
		embedded bool
		open     bool // not protected
		override string
		refused  bool
		warned   bool
	}{
		"unsets":                  {action: ActRun, code: gone, refused: true},
		"deletes":                 {action: ActRun, code: deleted, refused: true},
		"old backup":              {action: ActRun, code: gone, backup: &Backup{Of: noon.Add(-25 * time.Hour), At: noon}, refused: true},
		"fresh backup":            {action: ActRun, code: gone, backup: fresh},
		"sets":                    {action: ActRun, code: kept},
		"code not read":           {action: ActRun},
		"overridden":              {action: ActRun, code: gone, override: "in a hurry", warned: true},
		"not protected":           {action: ActRun, code: gone, open: true, warned: true},
		"embedded":                {action: ActRun, code: gone, embedded: true},
		"narrow drops":            {action: ActNarrow, refused: true},
		"narrow drops, backed up": {action: ActNarrow, backup: fresh},
		"widen drops nothing":     {action: ActWiden},
		"backup asks nothing":     {action: ActBackup},
	} {
		t.Run(name, func(t *testing.T) {
			target := pair(object(req("a", str())), nil)
			ev := evidence("prod", pair(object(opt("a", str()), opt("b", str())), object(req("c", str()))))
			ev.Tables = map[string]int64{"users": 10, "orders": 2}
			ev.Protected, ev.Embedded, ev.Armed, ev.Backup, ev.Deploys = !c.open, c.embedded, true, c.backup, true
			ev.Progress = map[string]Progress{def.Name: {Deployed: true}}
			refusals, warnings := Gate(Ask{Action: c.action, Migration: def.Name, Env: ev, Target: target, Definitions: []Definition{def}, Code: c.code, Override: c.override})
			has := func(list []Refusal) bool {
				for _, r := range list {
					if r.Code == "backup-missing" {
						return true
					}
				}
				return false
			}
			if has(refusals) != c.refused || has(warnings) != c.warned {
				t.Errorf("refused %v, warned %v", refusals, warnings)
			}
			if c.action == ActBackup && len(refusals)+len(warnings) > 0 {
				t.Errorf("refused %v, warned %v", refusals, warnings)
			}
		})
	}
}
