//go:build unix

package ui

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// tty is the built binary in a terminal of its own: a private tmux server.
type tty struct {
	t      *testing.T
	socket string
	home   string
}

// startTerm runs a shell line in a new terminal; when it has ended, its exit
// code stands on the screen as "ended with N".
func startTerm(t *testing.T, w, h int, line string, env ...string) *tty {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("STRAIT_TMUX") == "require" {
			t.Fatal("tmux is missing and STRAIT_TMUX=require wants the screen tested in a real terminal")
		}
		t.Skip("tmux is missing: install it to test the screen in a real terminal")
	}
	bin := binary(t)
	x := &tty{t: t, socket: filepath.Join(t.TempDir(), "tmux"), home: t.TempDir()}
	env = append([]string{"TERM=xterm-256color", "LANG=C.UTF-8", "XDG_STATE_HOME=" + x.home, "TMPDIR=" + x.home, "PATH=" + filepath.Dir(bin) + ":" + os.Getenv("PATH")}, env...)
	script := filepath.Join(x.home, "run.sh")
	text := fmt.Sprintf("export %s\necho before\n%s\necho ended with $?\nstty -a | grep -o -e '-*icanon' -e '-*echo '\nexec sleep 60\n", strings.Join(env, " "), line)
	if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	x.tmux("-f", "/dev/null", "new-session", "-d", "-x", strconv.Itoa(w), "-y", strconv.Itoa(h), "sh "+script)
	t.Cleanup(func() { exec.Command("tmux", "-S", x.socket, "kill-server").Run() })
	return x
}

func (x *tty) tmux(args ...string) string {
	x.t.Helper()
	out, err := exec.Command("tmux", append([]string{"-S", x.socket}, args...)...).CombinedOutput()
	if err != nil {
		x.t.Fatalf("tmux %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func (x *tty) screen() string { return x.tmux("capture-pane", "-p") }

func (x *tty) keys(keys ...string) {
	x.t.Helper()
	x.tmux(append([]string{"send-keys"}, keys...)...)
}

// until waits for a condition of the screen.
func (x *tty) until(what string, ok func(screen string) bool) string {
	x.t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(30 * time.Millisecond) {
		s := x.screen()
		if ok(s) {
			return s
		}
		if time.Now().After(end) {
			x.t.Fatalf("waited in vain for %s:\n%s", what, s)
		}
	}
}

func (x *tty) see(text string) string {
	x.t.Helper()
	return x.until(strconv.Quote(text), func(s string) bool { return strings.Contains(s, text) })
}

// holds checks what is on a screen.
func (x *tty) holds(screen string, wants ...string) {
	x.t.Helper()
	for _, want := range wants {
		if !strings.Contains(screen, want) {
			x.t.Errorf("no %q on\n%s", want, screen)
		}
	}
}

// pid is the process of the built binary.
func (x *tty) pid() int {
	x.t.Helper()
	shell := strings.TrimSpace(x.tmux("display-message", "-p", "#{pane_pid}"))
	out, err := exec.Command("ps", "-o", "pid=,comm=", "--ppid", shell).Output()
	if err != nil {
		x.t.Fatalf("ps: %v", err)
	}
	for line := range strings.Lines(string(out)) {
		if f := strings.Fields(line); len(f) == 2 && f[1] == "strait" {
			pid, _ := strconv.Atoi(f[0])
			return pid
		}
	}
	x.t.Fatalf("no strait below the shell: %s", out)
	return 0
}

// restored checks that the program has ended with a code and that the terminal
// is as it was: main screen, cursor shown, line mode and echo on.
func (x *tty) restored(code int) string {
	x.t.Helper()
	// The screen too says how things ended, but not with a number.
	s := x.until("the exit code", regexp.MustCompile(`(?m)^ended with \d+$`).MatchString)
	if !strings.Contains(s, fmt.Sprintf("ended with %d\n", code)) || !strings.Contains(s, "before\n") {
		x.t.Fatalf("ended otherwise than with %d:\n%s", code, s)
	}
	s = x.until("stty", func(s string) bool { return strings.Contains(s, "echo \n") || strings.Contains(s, "echo\n") })
	if strings.Contains(s, "-icanon") || strings.Contains(s, "-echo") {
		x.t.Fatalf("the terminal is left in raw mode:\n%s", s)
	}
	if got := strings.TrimSpace(x.tmux("display-message", "-p", "#{alternate_on} #{cursor_flag} #{mouse_any_flag}")); got != "0 1 0" {
		x.t.Fatalf("alternate screen, cursor, mouse are %s, want 0 1 0", got)
	}
	return s
}

// opened waits until the demo's three environments are open.
func (x *tty) opened() {
	x.t.Helper()
	x.until("the open demo", func(s string) bool {
		return strings.Contains(s, "PROD") && strings.Contains(s, " done") && !strings.Contains(s, "opening") && !strings.Contains(s, "? ? ?")
	})
}

// goTo puts the cursor on a row by the filter of the palette.
func (x *tty) goTo(row string) {
	x.t.Helper()
	x.keys(":")
	x.see("Do or go to")
	x.tmux("send-keys", "-l", row)
	x.see("/ " + row)
	x.keys("Enter")
	x.until("the closed palette", func(s string) bool { return !strings.Contains(s, "Do or go to") })
}

func TestTheDemoFromOpenToQuit(t *testing.T) {
	t.Parallel()
	x := startTerm(t, 120, 36, "strait demo")
	x.opened()
	s := x.see("✓ ✗ ▲ failed") // the screen opens on what failed, every state in sight
	x.holds(s, "✓ ✓ ✓ done", "✓ ○ ▲ migrate", "✓ ○ ▲ count", "✓ ○ ▲ resume", "○ ▲ ▲ widen", "target enforced")
	x.keys("Enter")
	x.showsTheFailure()
	x.goTo("movePreferences")
	x.keys("d")
	x.see("Dry run movePreferences in staging?")
	x.keys("y")
	s = x.see("dry run done")
	if !strings.Contains(s, "- settings") {
		t.Errorf("no changed field in the dry run:\n%s", s)
	}
	x.keys("r")
	x.see("Resume movePreferences in staging?")
	x.keys("y")
	x.see("✓ success in staging")
	x.keys("v")
	x.see("documents of 13,449 do not fit the target")
	x.keys("Home", "Down")
	x.see("▸  3,706")
	x.keys("Enter")
	x.see("▸users.avatarUrl")
	if s = x.see("✗   avatarUrl: "); !strings.Contains(s, "expected no field of this name") || !strings.Contains(s, "COVERED BY") || !strings.Contains(s, "dropAvatarUrl") {
		t.Errorf("the offender is not explained:\n%s", s)
	}
	x.keys("n")
	x.see("sample 2 of 5")
	x.goTo("addCustomerName")
	x.keys("r")
	x.see("Resume addCustomerName in staging?")
	x.keys("y")
	x.showsTheFailure()
	x.keys("Escape")
	x.see("CHANGE OR MIGRATION")
	x.keys("q")
	x.restored(0)
	left, err := filepath.Glob(filepath.Join(x.home, "strait-demo-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("the demo left %v behind", left)
	}
}

// Before anything has run the proof finds the demo's bug, and the rehearsal what
// it does; the journal has both, and the backup that was taken.
func TestTheDemoIsProvenAndRehearsed(t *testing.T) {
	t.Parallel()
	x := startTerm(t, 120, 36, "strait demo")
	x.opened()
	x.keys("V")
	x.see("nothing was searched yet")
	x.keys("V")
	x.see("Search for a counterexample?")
	x.keys("y")
	x.see("1 refuted, 8 held")
	s := x.see("WHAT WAS THROWN")
	x.holds(s, "✗ the migration throws", "customerId: ", "addCustomerName at convex/migrations/orders.ts:28")
	x.keys("R")
	x.see("no rehearsal of staging yet")
	x.keys("b")
	x.see("Take a backup of staging?")
	x.keys("y")
	x.see("verified   ✓ 10,260 documents")
	x.keys("R")
	x.keys("R")
	s = x.see("Rehearse the passage of staging?")
	if !strings.Contains(s, ".strait/backups/") {
		t.Errorf("the backup is not offered:\n%s", s)
	}
	x.keys("y")
	x.see("narrow would be refused, 1 migration failed")
	s = x.see("FAILURES  1 document")
	x.holds(s, "all that there are", "✗ addCustomerName", "at convex/migrations/orders.ts:28", "customerId: ")
	x.keys("NPage")
	x.see("HEADROOM")
	x.keys("J")
	x.until("the journal", func(s string) bool {
		return strings.Contains(s, "rehearse") && strings.Contains(s, "1 refuted, 8 held, with seed 1") && strings.Contains(s, ".strait/backups/")
	})
	x.keys("q")
	x.restored(0)
}

// showsTheFailure waits for the failure of the demo's staging, with its document.
func (x *tty) showsTheFailure() {
	x.t.Helper()
	x.see("✗ failed in staging")
	s := x.see("DOCUMENT  orders") // looked for once the run has failed
	x.holds(s, "TypeError", "at convex/migrations/orders.ts:28", "customerId: ")
}

// running starts a long run on the screen and waits for its first batches.
func (x *tty) running() {
	x.t.Helper()
	x.see("20,010 docs")
	x.goTo("dropAvatarUrl")
	x.keys("r")
	x.see("Run dropAvatarUrl in lab?")
	x.keys("y")
	x.see("of 20,000 documents")
}

func TestCancelARun(t *testing.T) {
	t.Parallel()
	x := startTerm(t, 120, 36, "strait --project "+lab(t, 20000))
	x.running()
	x.keys("c")
	x.see("Cancel dropAvatarUrl in lab?")
	x.keys("y")
	x.see("canceled in lab")
	x.keys("q")
	x.restored(0)
}

func TestQuitWhileSomethingRuns(t *testing.T) {
	t.Parallel()
	x := startTerm(t, 120, 36, "strait --project "+lab(t, 20000))
	x.running()
	x.keys("q")
	x.see("Quit Strait?")
	x.keys("n")
	x.until("the closed question", func(s string) bool { return !strings.Contains(s, "Quit Strait?") })
	if err := syscall.Kill(x.pid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	x.see("Quit Strait?")
	if err := syscall.Kill(x.pid(), syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if s := x.restored(exitInterrupted); !strings.Contains(s, "migrations:dropAvatarUrl stopped in lab") || !strings.Contains(s, "watch again with: strait --project ") {
		t.Errorf("what became of the run is not told:\n%s", s)
	}
}

func TestColoursAndGlyphs(t *testing.T) {
	t.Parallel()
	t.Run("NO_COLOR", func(t *testing.T) {
		x := startTerm(t, 100, 30, "NO_COLOR=1 strait --project "+lab(t, 50))
		x.see("in lab")
		if s := x.tmux("capture-pane", "-p", "-e"); regexp.MustCompile(`\x1b\[[0-9;]*(3[0-7]|38|4[0-7]|48|9[0-7])[;m]`).MatchString(s) {
			t.Errorf("colours in spite of NO_COLOR:\n%q", s)
		}
		x.keys("q")
		x.restored(0)
	})
	t.Run("dumb", func(t *testing.T) {
		x := startTerm(t, 100, 30, "TERM=dumb strait --project "+lab(t, 50))
		x.see("in lab")
		for _, r := range x.screen() {
			if r > 126 {
				t.Fatalf("%q on a dumb terminal:\n%s", r, x.screen())
			}
		}
		x.keys("q")
		x.see("ended with 0")
	})
}

func TestResizeStorm(t *testing.T) {
	t.Parallel()
	x := startTerm(t, 120, 36, "strait --project "+lab(t, 50))
	x.see("in lab")
	for _, s := range []string{"30 5", "200 60", "40 10", "79 24", "1 1", "80 24", "119 12", "120 36"} {
		w, h, _ := strings.Cut(s, " ")
		x.tmux("resize-window", "-x", w, "-y", h)
		x.keys("j")
	}
	x.see("ENVIRONMENTS")
	x.keys("q")
	x.restored(0)
}

func TestSignals(t *testing.T) {
	t.Parallel()
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		t.Run(sig.String(), func(t *testing.T) {
			x := startTerm(t, 100, 30, "strait --project "+lab(t, 50))
			x.see("in lab")
			if err := syscall.Kill(x.pid(), sig); err != nil {
				t.Fatal(err)
			}
			x.restored(exitInterrupted)
		})
	}
}

func TestStdinClosed(t *testing.T) {
	t.Parallel()
	x := startTerm(t, 100, 30, "strait demo </dev/null")
	s := x.see("ended with ")
	if !strings.Contains(s, "ended with 2") || !strings.Contains(s, "needs a terminal") {
		t.Fatalf("%s", s)
	}
}

func TestSteerASupervisedRun(t *testing.T) {
	t.Parallel()
	x := startTerm(t, 120, 36, "strait --project "+lab(t, 20000))
	x.see("20,010 docs")
	x.goTo("dropAvatarUrl")
	x.keys("s")
	x.see("Run one batch of dropAvatarUrl in lab?")
	x.keys("y")
	x.see("paused between two batches")
	x.see("100 of 20,000 documents")
	x.keys("+")
	x.see("next batch 200")
	x.keys("s")
	x.see("300 of 20,000 documents")
	x.keys(">")
	x.see("rests 100ms between batches")
	x.keys("p")
	x.see("to the end")
	x.keys("q")
	x.see("Quit Strait?")
	x.keys("n")
	x.keys("p")
	x.see("paused between two batches")
	x.keys("c")
	x.see("Cancel dropAvatarUrl in lab?")
	x.keys("y")
	x.see("canceled in lab")
	x.keys("q")
	x.restored(0)
}
