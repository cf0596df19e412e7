// Package ui is what people see: the Bubble Tea program, and the verbs that do
// the same without a screen. Both drive convex/fleet and know nothing of how
// it works; both read snapshots that never change.
//
// The screen is one tea.Model, Root, a value: Update takes messages and never
// blocks, View draws and is pure, commands carry what they need and do one
// thing. All text goes to the screen through pen.put, which cleans and clips
// it. What a person can do is a table, actionTable, and nothing else
// dispatches keys. A command to the engine names its environment; the cursor
// cannot redirect it, and what may go out is decided by plan's gate below.
package ui

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"charm.land/fang/v2"
	"github.com/charmbracelet/x/term"
	"github.com/spf13/cobra"

	"strait/convex/fleet"
)

// cli is what the verbs share: the flags, and where they write.
type cli struct {
	out, err io.Writer
	demo     fs.FS
	project  string // --project
	json     bool   // --json
	ascii    bool   // --ascii
}

// Main runs one command line and returns the exit code. demo holds the demo
// project.
func Main(args []string, demo fs.FS) (code int) {
	fleet.Tool = release()
	out := &output{w: os.Stdout}
	c := &cli{out: out, err: os.Stderr, demo: demo}
	bug := &crash{}
	defer func() {
		if r := recover(); r != nil {
			bug.note(r)
			c.complain(bug.report())
			code = exitError
		}
	}()
	root := c.root()
	root.SetArgs(args)
	root.SetOut(c.out)
	root.SetErr(c.err)
	var err error
	if wantsHelp(args) {
		err = fang.Execute(context.Background(), root, fang.WithoutVersion(), fang.WithErrorHandler(func(io.Writer, fang.Styles, error) {}))
	} else {
		err = root.ExecuteContext(context.Background())
	}
	if errors.Is(err, context.Canceled) {
		err = errInterrupted
	}
	if err == nil && out.failed != nil {
		err = fmt.Errorf("write the output: %w", out.failed)
	}
	if err != nil && !errors.Is(err, errSaid) {
		c.complain(err)
		c.complainJSON(err)
	}
	return exitCode(err)
}

// output keeps the first error of what is written, so that no verb ends well
// whose answer reached nobody.
type output struct {
	w      io.Writer
	failed error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && o.failed == nil {
		o.failed = err
	}
	return n, err
}

// complainJSON gives a program that reads JSON lines the error as the last of
// them. A refusal was told already.
func (c *cli) complainJSON(err error) {
	var refused *fleet.Refused
	if !c.json || errors.As(err, &refused) {
		return
	}
	_ = c.line(struct { // who closed stdout wants no more
		Event string `json:"event"`
		Error string `json:"error"`
		Exit  int    `json:"exit"`
	}{"error", clean(err.Error()), exitCode(err)})
}

// parserWords is what a flag's error says of Go's number parser.
var parserWords = regexp.MustCompile(`: strconv\.\w+: parsing .*`)

// errSaid is an end that the verb has already reported.
var errSaid = errors.New("already reported")

// wantsHelp reports whether fang should draw; it asks the terminal for its
// colours, which no other verb should wait for.
func wantsHelp(args []string) bool {
	for i, a := range args {
		switch a {
		case "--":
			return false
		case "-h", "--help":
			return true
		case "help", "man":
			if i == 0 {
				return true
			}
		}
	}
	return false
}

// complain writes an error for people: the cause, then its hints.
func (c *cli) complain(err error) {
	if err == nil {
		return
	}
	text := err.Error()
	var h *hinted
	if errors.As(err, &h) {
		for _, line := range h.hints {
			text += "\nhint: " + line
		}
	}
	for i, line := range cleanLines(text) {
		if i == 0 {
			line = "strait: " + line
		}
		fmt.Fprintln(c.err, line)
	}
}

func (c *cli) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "strait",
		Short: "Plan and watch Convex schema and data migrations",
		Long: `Strait is the pilot for breaking changes of a Convex schema: widen, migrate,
narrow, in every environment. Without a verb it shows the screen of the project
it finds at or above the working folder.

` + exitTable,
		Example: `  strait demo
  strait plan
  strait run migrations:setDefaultPlan --env staging --dry-run
  strait status --json`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usage(hint(fmt.Errorf("there is no verb %q", args[0]), "strait --help lists them"))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return c.screen(c.project, c.project) },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(hint(errors.New(parserWords.ReplaceAllString(err.Error(), "")), cmd.CommandPath()+" --help lists the flags"))
	})
	flags := root.PersistentFlags()
	flags.StringVar(&c.project, "project", "", "folder of the project, or one below it (default: the working folder)")
	flags.BoolVar(&c.json, "json", false, "write JSON")
	flags.BoolVar(&c.ascii, "ascii", false, "draw with ASCII signs only")
	root.Flags().BoolP("version", "v", false, "write the version")
	root.Version = strings.TrimPrefix(version(), "strait ")
	root.SetVersionTemplate("strait {{.Version}}\n")
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(c.demoVerb(), c.inspectVerb(), c.diffVerb(), c.planVerb(), c.gateVerb(), c.hazardsVerb(), c.statusVerb(), c.runVerb(), c.cancelVerb(), c.widenVerb(), c.narrowVerb(), c.doctorVerb(), c.initVerb(), c.censusVerb(), c.proveVerb(), c.rehearseVerb(), c.backupVerb(), c.journalVerb(), c.serveVerb(), c.infoVerb())
	return root
}

// noArgs and oneArg are cobra's validators with our exit code.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(hint(fmt.Errorf("%s takes no argument, got %q", cmd.CommandPath(), args[0]), cmd.CommandPath()+" --help shows how it is called"))
	}
	return nil
}

func oneArg(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usage(hint(fmt.Errorf("%s needs %s", cmd.CommandPath(), what), cmd.CommandPath()+" --help shows how it is called"))
		case len(args) > 1:
			return usage(fmt.Errorf("%s takes %s only, got %q as well", cmd.CommandPath(), what, args[1]))
		}
		return nil
	}
}

// interruptible is a context that ends with the first signal; the second one
// ends the program at once.
func interruptible() (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// line writes v as one line of JSON.
func (c *cli) line(v any) error {
	return c.encode(v, "")
}

func (c *cli) encode(v any, indent string) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("encode the answer: %w", err)
	}
	_, err := c.out.Write(b.Bytes())
	return err
}

// block writes v as indented JSON.
func (c *cli) block(v any) error {
	return c.encode(v, "  ")
}

// say writes a clean line for people.
func (c *cli) say(format string, args ...any) {
	for _, line := range cleanLines(fmt.Sprintf(format, args...)) {
		fmt.Fprintln(c.out, line)
	}
}

// table writes rows in columns; rights are the columns aligned right. A row
// that ends early takes no part in the width of its last column.
func (c *cli) table(rows [][]string, rights ...int) {
	var widths []int
	for _, r := range rows {
		for i, cell := range r {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			r[i] = clean(cell)
			if i < len(r)-1 || slices.Contains(rights, i) {
				widths[i] = max(widths[i], width(r[i]))
			}
		}
	}
	for _, r := range rows {
		var b strings.Builder
		for i, cell := range r {
			pad := strings.Repeat(" ", max(0, widths[i]-width(cell)))
			if slices.Contains(rights, i) {
				cell = pad + cell
			} else {
				cell += pad
			}
			b.WriteString(cell + "  ")
		}
		fmt.Fprintln(c.out, strings.TrimRight(b.String(), " "))
	}
}

// demoVerb shows the screen on the embedded demo project.
func (c *cli) demoVerb() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the screen on a demo project with three rehearsal environments",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := needsTerminal(); err != nil {
				return err
			}
			keep := dir != ""
			if keep {
				if entries, err := os.ReadDir(dir); err == nil && len(entries) > 0 {
					return usage(hint(fmt.Errorf("%s is not empty", dir), "name a new folder, or leave --dir out"))
				}
			} else {
				tmp, err := os.MkdirTemp("", "strait-demo-")
				if err != nil {
					return fmt.Errorf("make a folder for the demo: %w", err)
				}
				dir = tmp
				defer os.RemoveAll(tmp)
			}
			if err := os.CopyFS(dir, c.demo); err != nil {
				return fmt.Errorf("write the demo to %s: %w", dir, err)
			}
			abs, err := filepath.Abs(dir)
			if err != nil {
				return fmt.Errorf("find the demo's folder: %w", err)
			}
			err = c.screen(abs, abs)
			if keep {
				fmt.Fprintf(c.err, "the demo is kept in %s: strait --project %s opens it again\n", abs, shellWord(abs))
			}
			return err
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "", "write the demo project there and keep it")
	return cmd
}

func needsTerminal() error {
	if term.IsTerminal(os.Stdout.Fd()) && term.IsTerminal(os.Stdin.Fd()) {
		return nil
	}
	return usage(hint(errors.New("the screen needs a terminal"), "strait status and strait run do the same without one; add --json for scripts"))
}

// infoVerb prints versions and paths.
func (c *cli) infoVerb() *cobra.Command {
	return &cobra.Command{
		Use:   "info",
		Short: "Write versions, and where things are kept",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			root, journal := c.whereIsIt()
			if c.json {
				return c.block(map[string]string{"version": version(), "state": stateDir(), "project": root, "journal": journal})
			}
			rows := [][]string{{"version", version()}, {"crash logs", stateDir()}}
			if root == "" {
				rows = append(rows, []string{"project", "none at or above the working folder"})
			} else {
				rows = append(rows, []string{"project", root}, []string{"journal", journal})
			}
			c.table(rows)
			return nil
		},
	}
}
