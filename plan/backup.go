package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"strait/model/source"
)

// BackedUpFor is how old the data of a backup may be to count before a
// destructive step. What was pushed since does not matter: a backup is of data.
const BackedUpFor = 24 * time.Hour

// backedUp wants a verified backup before something is lost that only a backup
// brings back. It refuses in a protected environment and warns elsewhere; a
// reason lets it pass. An embedded environment is built anew each time and
// needs none.
func (g *gate) backedUp(losses []string) {
	if g.Env.Embedded || len(losses) == 0 {
		return
	}
	b := g.Env.Backup
	if b != nil && g.Env.Now.Sub(b.of()) <= BackedUpFor {
		return
	}
	why := "no backup of " + g.Env.Env + " was taken"
	if b != nil {
		why = "the newest backup of " + g.Env.Env + " is of " + ago(g.Env.Now, b.of())
	}
	if len(losses) > 3 {
		losses = append(losses[:3:3], fmt.Sprintf("%d more", len(losses)-3))
	}
	why += ", and nothing else brings back what this loses: " + strings.Join(losses, "; ")
	if g.Override != "" {
		g.warn("backup-missing", why, "overridden: "+g.Override)
		return
	}
	g.firmly("backup-missing", why, "take one: b on the screen, or strait backup --env "+arg(g.Env.Env)+"; or override with a reason")
}

// dropped is what the target gives up that may hold data. Widened gives up
// nothing, so widen needs no backup.
func (g *gate) dropped() (out []string) {
	for _, c := range g.s.changes {
		if n, known := g.Env.Tables[c.Table]; c.Class != Destructive || known && n == 0 {
			continue
		}
		switch c.Kind {
		case TableRemoved:
			out = append(out, "table "+c.Table)
		default:
			out = append(out, c.Path)
		}
	}
	return out
}

// unmade is what migrations take away, as far as their code says: documents
// that they delete, fields that they unset.
func (g *gate) unmade(names []string) (out []string) {
	if g.Code == nil {
		return nil
	}
	for _, name := range names {
		body := g.Code.Migrations[name]
		if body == nil {
			continue
		}
		for _, w := range body.Writes {
			table := w.Table
			if table == "" {
				table = body.Table
			}
			if w.Op == source.Delete {
				out = appendNew(out, shortName(name)+" deletes documents"+ofTable(table))
			}
			for _, f := range w.Fields {
				if f.Unset {
					out = appendNew(out, shortName(name)+" unsets "+strings.TrimPrefix(table+"."+f.Name, "."))
				}
			}
		}
	}
	return out
}

func ofTable(table string) string {
	if table == "" {
		return ""
	}
	return " of " + table
}

func appendNew(list []string, text string) []string {
	if slices.Contains(list, text) {
		return list
	}
	return append(list, text)
}

// of is the moment of the backup's data; of its verification where the
// deployment did not tell.
func (b *Backup) of() time.Time {
	if b.Of.IsZero() {
		return b.At
	}
	return b.Of
}
