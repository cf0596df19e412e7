package fleet

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"strait/plan"
)

// One Strait watches, another one counts, backs up, and finds out that it holds
// no more: the first one knows it, too, and each tells it once.
func TestTwoStraitsOfOneProject(t *testing.T) {
	p := loadShop(t)
	p.Config.Envs[0].Protected = true
	s := openShopOf(t, p, nil, 30, 0)
	other := Open(t.Context(), s.o)
	t.Cleanup(func() { other.Close() })
	ready(t, other, "only")
	run := func(c Command) {
		t.Helper()
		c.Env, c.By = "only", "cli"
		if out, err := other.Run(within(t), c, nil); err != nil || out.Status != "success" {
			t.Fatalf("%s: %+v %v", c.Action, out, err)
		}
	}
	e := s.f.envs[0]
	learns := func(what string, cond func() bool) {
		t.Helper()
		if err := s.f.wait(within(t), cond); err != nil {
			t.Fatalf("%s: %v, messages %+v", what, err, s.f.Now().Messages)
		}
	}
	run(Command{Action: plan.ActCensus})
	learns("a certificate", func() bool { return e.certificate != nil && e.doubt == "" && e.rechecked })
	if codes := s.refusals(); slices.Contains(codes, "census-missing") || slices.Contains(codes, "census-stale") {
		t.Errorf("certified by another: narrow: %v", codes)
	}
	run(Command{Action: plan.ActBackup})
	learns("a backup", func() bool { return e.backup != nil })
	run(Command{Action: plan.ActReveal})
	learns("a reveal", func() bool {
		return slices.ContainsFunc(s.f.messages, func(m Message) bool { return strings.Contains(m.Text, "values of documents here") })
	})
	if !s.f.Now().Envs[0].Revealed.IsZero() {
		t.Error("values are shown here, because they are shown elsewhere")
	}
	other.revoke(other.envs[0], "the shop has moved")
	learns("the end of the certificate", func() bool { return !e.certificate.Revoked.IsZero() })
	if codes := s.refusals(); !slices.Contains(codes, "census-stale") {
		t.Errorf("revoked by another: narrow: %v", codes)
	}
	told := 0
	for _, m := range s.f.Now().Messages {
		if strings.HasPrefix(m.Text, "another Strait") {
			told++
		}
	}
	if told != 4 {
		t.Errorf("told %d times: %+v", told, s.f.Now().Messages)
	}
	// The other one reads its own lines again, and a line of the first: by then
	// it has passed by all of its own.
	if err := s.f.journal.write(entry{At: s.f.now(), ID: "x", Phase: "asked", Action: string(plan.ActReveal), Env: "only", Deployment: "shop"}); err != nil {
		t.Fatal(err)
	}
	heard := func() (n int) {
		for _, m := range other.messages {
			if strings.HasPrefix(m.Text, "another Strait") {
				n++
			}
		}
		return n
	}
	if err := other.wait(within(t), func() bool { return heard() > 0 }); err != nil {
		t.Fatal(err)
	}
	if n := heard(); n != 1 {
		t.Errorf("its own deeds are told as another's: %+v", other.Now().Messages)
	}
}

// What is read of the journal is what was added by others, whole lines, and
// never more than longestEntry at once.
func TestNewsOfTheJournal(t *testing.T) {
	root := t.TempDir()
	ours, theirs := newJournal(root), newJournal(root)
	t.Cleanup(func() { ours.close(); theirs.close() })
	at := int64(0)
	news := func() (ids string) {
		t.Helper()
		out, to, err := ours.news(at)
		if err != nil || to-at > longestEntry {
			t.Fatalf("%d bytes, %v", to-at, err)
		}
		at = to
		for _, x := range out {
			ids += x.ID + " "
		}
		return ids
	}
	write := func(j *journal, id string) {
		t.Helper()
		if err := j.write(entry{ID: id}); err != nil {
			t.Fatal(err)
		}
	}
	if got := news(); got != "" {
		t.Errorf("of no file: %s", got)
	}
	write(ours, "a")
	write(theirs, "b")
	write(ours, "c")
	if got := news() + "|" + news(); got != "b |" {
		t.Errorf("news %q", got)
	}
	write(ours, "a") // its answer
	write(theirs, "d")
	path := filepath.Join(root, ".strait", "journal.jsonl")
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	file.WriteString(`{"id":"e"`)
	if got := news() + "|" + news(); got != "d |" {
		t.Errorf("with half a line: %q", got)
	}
	file.WriteString("}\n" + strings.Repeat("x", 2*longestEntry) + "\n")
	write(theirs, "f")
	if got := news() + news() + news() + news(); got != "e f " {
		t.Errorf("around a line that is too long: %q", got)
	}
	for i := range 20_000 {
		write := strconv.AppendInt([]byte(`{"id":"`), int64(i), 10)
		file.Write(append(write, `","error":"`+strings.Repeat("y", 100)+"\"}\n"...))
	}
	all := news() + news() + news() + news()
	if n := strings.Count(all, " "); n != 20_000 || !strings.HasPrefix(all, "0 1 2 ") {
		t.Errorf("%d of many", n)
	}
	if err := os.WriteFile(path, []byte("{\"id\":\"g\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := news(); got != "g " {
		t.Errorf("of a file in its place: %q", got)
	}
}
