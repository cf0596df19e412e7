package ui

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	tea "charm.land/bubbletea/v2"
)

// framesPerSecond bounds the redraws; it is also the delay of a key's echo.
const framesPerSecond = 40

// program is the tea.Model around Root: it lets no panic through.
type program struct {
	root  Root
	crash *crash
}

func (p program) Init() tea.Cmd { return p.crash.safe(p.root.Init()) }

func (p program) Update(msg tea.Msg) (out tea.Model, cmd tea.Cmd) {
	defer func() {
		if r := recover(); r != nil {
			p.crash.note(r)
			out, cmd = p, tea.Quit
		}
	}()
	next, cmd := p.root.Update(msg)
	p.root = next
	return p, p.crash.safe(cmd)
}

func (p program) View() (v tea.View) {
	defer func() {
		if r := recover(); r != nil {
			p.crash.note(r)
			p.crash.quit()
			v = tea.NewView("")
		}
	}()
	return p.root.View()
}

// crash keeps the first panic, for a message when the terminal is restored.
type crash struct {
	mu    sync.Mutex
	what  any
	stack []byte
	quit  func()
}

func (c *crash) note(what any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.what == nil {
		c.what, c.stack = what, debug.Stack()
	}
}

// safe wraps a command, and those of a batch, so that a panic in it ends the
// screen in order.
func (c *crash) safe(cmd tea.Cmd) tea.Cmd {
	if cmd == nil {
		return nil
	}
	return func() (msg tea.Msg) {
		defer func() {
			if r := recover(); r != nil {
				c.note(r)
				msg = tea.QuitMsg{}
			}
		}()
		msg = cmd()
		if batch, ok := msg.(tea.BatchMsg); ok {
			out := make(tea.BatchMsg, len(batch))
			for i, b := range batch {
				out[i] = c.safe(b)
			}
			return out
		}
		return msg
	}
}

// report writes the crash log and says where it is; nil without a crash.
func (c *crash) report() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.what == nil {
		return nil
	}
	cause := fmt.Errorf("strait met a bug in itself and had to stop: %v", c.what)
	path := filepath.Join(stateDir(), "crash-"+time.Now().Format("20060102-150405")+".log")
	err := os.MkdirAll(filepath.Dir(path), 0o700)
	if err == nil {
		err = os.WriteFile(path, fmt.Appendf(nil, "%s\n%v\n\n%s", version(), c.what, c.stack), 0o600)
	}
	if err != nil {
		return hint(cause, "the crash log could not be written: "+err.Error(), "migrations that run on a deployment go on there; strait status shows them")
	}
	return hint(cause, "the details are in "+path+": please send that file with what you did",
		"migrations that run on a deployment go on there; strait status shows them")
}

// stateDir is where logs go: $XDG_STATE_HOME/strait.
func stateDir() string {
	base := os.Getenv("XDG_STATE_HOME")
	if base == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return filepath.Join(os.TempDir(), "strait")
		}
		base = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(base, "strait")
}

// errInterrupted says that a signal ended the program.
var errInterrupted = &coded{errors.New("interrupted"), exitInterrupted}

// runScreen shows the screen until it is left. The terminal is restored
// whatever happens.
func runScreen(d deps, opts ...tea.ProgramOption) error {
	ctx, cancel := context.WithCancel(d.ctx)
	defer cancel()
	d.ctx = ctx
	c := &crash{}
	opts = append([]tea.ProgramOption{tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithFPS(framesPerSecond)}, opts...)
	p := tea.NewProgram(program{newRoot(d), c}, opts...)
	c.quit = func() { go p.Quit() }
	interrupted := relaySignals(ctx, p)
	model, err := p.Run()
	cancel()
	if broken := c.report(); broken != nil {
		return broken
	}
	if last, ok := model.(program); ok {
		fmt.Fprint(os.Stderr, last.root.farewell())
	}
	switch {
	case interrupted():
		return errInterrupted
	case errors.Is(err, tea.ErrProgramKilled) && d.ctx.Err() != nil, errors.Is(err, tea.ErrInterrupted):
		return errInterrupted
	case err != nil:
		return fmt.Errorf("show the screen: %w", err)
	}
	return nil
}

// relaySignals hands signals to the screen: the first SIGINT or SIGTERM asks
// it to leave, the second one, or SIGHUP, ends it. The answer tells whether
// there was one.
func relaySignals(ctx context.Context, p *tea.Program) func() bool {
	ch := make(chan os.Signal, 4)
	signal.Notify(ch, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	var mu sync.Mutex
	seen := 0
	go func() {
		defer signal.Stop(ch)
		for {
			select {
			case <-ctx.Done():
				return
			case s := <-ch:
				mu.Lock()
				seen++
				n := seen
				mu.Unlock()
				if s == syscall.SIGHUP || n > 1 {
					p.Quit()
				} else {
					p.Send(stopAsked{})
				}
			}
		}
	}()
	return func() bool {
		mu.Lock()
		defer mu.Unlock()
		return seen > 0
	}
}
