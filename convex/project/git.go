package project

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"strait/model/schema"
)

// sourcePatterns are the files of a revision that code can import.
var sourcePatterns = []string{"*.ts", "*.tsx", "*.mts", "*.cts", "*.js", "*.jsx", "*.mjs", "*.cjs", "*.json", "*.toml"}

// maxRevision bounds what is written of one revision, in bytes.
const maxRevision = 512 << 20

// revision evaluates the schema of a git revision. Its sources are put
// into a temporary folder, laid out as in the repository, with the installed
// packages of the work tree (borrow); they are the packages of today, for
// those of the revision are not in git.
func (e evaluator) revision(loc Location, ref string) (*schema.Schema, error) {
	return e.revisionOf(loc, ref, "")
}

// revisionOf is revision for one file or folder inside; "" is the project's
// own schema.
func (e evaluator) revisionOf(loc Location, ref, inside string) (*schema.Schema, error) {
	ctx := e.ctx
	top, err := git(ctx, loc.Root, "rev-parse", "--show-toplevel")
	if err != nil {
		var missing *exec.Error
		if errors.As(err, &missing) {
			return nil, fmt.Errorf("schema git:%s: git is not installed", ref)
		}
		return nil, fmt.Errorf("schema git:%s: %s is in no git repository\nhint: name a file instead", ref, loc.Root)
	}
	if ref == "" || strings.HasPrefix(ref, "-") {
		return nil, fmt.Errorf("schema git:%s: that is no revision\nhint: write git:main, git:v1.2 or git:HEAD~1", ref)
	}
	commit, err := git(ctx, loc.Root, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		return nil, fmt.Errorf("schema git:%s: the repository %s has no revision %q\nhint: git branch -a lists branches; git fetch brings those of others", ref, top, ref)
	}
	if real, err := filepath.EvalSymlinks(top); err == nil {
		top = real
	}
	rel, err := filepath.Rel(top, loc.Root)
	if err != nil {
		return nil, fmt.Errorf("schema git:%s: %w", ref, err)
	}
	dir, err := os.MkdirTemp("", "strait-git-")
	if err != nil {
		return nil, fmt.Errorf("schema git:%s: %w", ref, err)
	}
	defer os.RemoveAll(dir)
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		dir = real
	}
	copied := filepath.Join(dir, "repository")
	if err := checkout(ctx, top, commit, copied); err != nil {
		return nil, fmt.Errorf("schema git:%s: %w", ref, err)
	}
	work, err := borrow(ctx, top, commit, copied)
	if err != nil {
		return nil, fmt.Errorf("schema git:%s: %w", ref, err)
	}
	if inside != "" {
		s, err := e.at(copied, rel, inside)
		if err != nil {
			return nil, fmt.Errorf("schema git:%s:%s: %w", ref, inside, work.explain(ctx, ref, err))
		}
		return s, nil
	}
	root := filepath.Join(copied, rel)
	functions, err := functionsAt(loc, root)
	if err != nil {
		return nil, fmt.Errorf("schema git:%s: %w", ref, err)
	}
	s, err := e.folder(Location{Root: root, Functions: functions})
	if err != nil {
		return nil, fmt.Errorf("schema git:%s: %w", ref, work.explain(ctx, ref, err))
	}
	return s, nil
}

// functionsAt is the functions folder of a revision: where it is now, or
// where that revision's own files say.
func functionsAt(loc Location, root string) (string, error) {
	rel, err := filepath.Rel(loc.Root, loc.Functions)
	if err != nil {
		return "", err
	}
	if dir := filepath.Join(root, rel); isDir(dir) {
		return dir, nil
	}
	if c := look(root); c.functions != "" {
		return c.functions, nil
	}
	return "", fmt.Errorf("the project had no functions folder then (looked for %s)", filepath.ToSlash(rel))
}

// git runs git and returns its output without the last newline.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := gitCommand(ctx, dir, args...)
	var why bytes.Buffer
	cmd.Stderr = &why
	out, err := cmd.Output()
	if err != nil {
		if line := firstLine(why.String()); line != "" {
			return "", fmt.Errorf("git %s: %w%s", args[0], err, line)
		}
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return strings.TrimRight(string(out), "\r\n"), nil
}

func gitCommand(ctx context.Context, dir string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GIT_OPTIONAL_LOCKS=0", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C")
	return cmd
}

// checkout writes a commit's sources below dir.
func checkout(ctx context.Context, top, commit, dir string) (err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	names, err := git(ctx, top, "ls-tree", "-r", "--name-only", commit)
	if err != nil {
		return err
	}
	args := []string{"archive", "--format=tar", commit, "--"}
	for _, p := range sourcePatterns { // git refuses a pattern that matches nothing
		if strings.Contains(names+"\n", p[1:]+"\n") {
			args = append(args, p)
		}
	}
	cmd := gitCommand(ctx, top, args...)
	var why bytes.Buffer
	cmd.Stderr = &why
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("git archive: %w", err)
	}
	unpackErr := unpack(out, dir)
	cut := errors.Is(unpackErr, io.ErrUnexpectedEOF) // git broke off, and says why
	if unpackErr != nil && !cut {
		cancel() // git may still be writing
	}
	if err := cmd.Wait(); err != nil && (unpackErr == nil || cut) {
		return fmt.Errorf("git archive: %w%s", err, firstLine(why.String()))
	}
	return unpackErr
}

// unpack writes the files of a tar archive below dir and nowhere else.
func unpack(r io.Reader, dir string) error {
	left := int64(maxRevision)
	archive := tar.NewReader(r)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the revision: %w", err)
		}
		if !filepath.IsLocal(h.Name) {
			continue
		}
		path := filepath.Join(dir, filepath.FromSlash(h.Name))
		switch h.Typeflag {
		case tar.TypeDir:
			if err := os.MkdirAll(path, 0o755); err != nil {
				return err
			}
		case tar.TypeReg:
			if left -= h.Size; left < 0 {
				return fmt.Errorf("its sources are more than %d MiB", maxRevision>>20)
			}
			if err := writeFile(path, archive); err != nil {
				return err
			}
		}
	}
}

func writeFile(path string, r io.Reader) (err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(f, r)
	return err
}
