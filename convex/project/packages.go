package project

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// A revision's copy lacks what git does not keep: installed packages, the
// built files of workspace packages, generated configuration. borrowed is what
// of it the copy has from the work tree.
type borrowed struct {
	top, copied, commit string
	// packages are the workspace packages that code can import: from name to
	// folder, relative to top.
	packages map[string]string
	// stale are those whose built files are not the revision's: their sources
	// have changed since.
	stale []string
	// unbuilt are those without any built files in the work tree.
	unbuilt []string
}

// borrow makes a copy importable. Packages from a registry are those of the
// work tree; a package of the repository itself is the copy's own, for code of
// that revision must not meet code of today.
func borrow(ctx context.Context, top, commit, copied string) (*borrowed, error) {
	b := &borrowed{top: top, copied: copied, commit: commit, packages: map[string]string{}}
	if err := b.linkAbove(); err != nil {
		return nil, err
	}
	err := filepath.WalkDir(copied, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		if e.Name() == "node_modules" {
			return fs.SkipDir
		}
		rel, err := filepath.Rel(copied, path)
		if err != nil {
			return err
		}
		if err := b.linkFolder(rel); err != nil {
			return err
		}
		return b.bringConfigs(rel)
	})
	if err != nil {
		return nil, err
	}
	return b, b.bringBuilt(ctx)
}

// linkAbove links the nearest node_modules above the repository.
func (b *borrowed) linkAbove() error {
	for dir := filepath.Dir(b.top); ; dir = filepath.Dir(dir) {
		if modules := filepath.Join(dir, "node_modules"); isDir(modules) {
			return os.Symlink(modules, filepath.Join(filepath.Dir(b.copied), "node_modules"))
		}
		if filepath.Dir(dir) == dir {
			return nil
		}
	}
}

// linkFolder links the node_modules of one folder: whole, or entry by entry
// where some of them are the repository's own packages.
func (b *borrowed) linkFolder(rel string) error {
	modules := filepath.Join(b.top, rel, "node_modules")
	link := filepath.Join(b.copied, rel, "node_modules")
	if exists(link) || !isDir(modules) {
		return nil
	}
	names, err := packagesIn(modules)
	if err != nil {
		return err
	}
	targets, own := map[string]string{}, false
	for _, name := range names {
		targets[name] = filepath.Join(modules, name)
		if at, ok := b.ownPackage(targets[name]); ok {
			b.packages[filepath.ToSlash(name)], own = at, true
			if here := filepath.Join(b.copied, at); isDir(here) {
				targets[name] = here
			}
		}
	}
	if !own {
		return os.Symlink(modules, link)
	}
	for name, target := range targets {
		at := filepath.Join(link, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			return err
		}
		if err := os.Symlink(target, at); err != nil {
			return err
		}
	}
	return nil
}

// packagesIn are the entries of a node_modules folder, those of a scope each
// by themselves.
func packagesIn(modules string) ([]string, error) {
	entries, err := os.ReadDir(modules)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "@") {
			names = append(names, e.Name())
			continue
		}
		scoped, err := os.ReadDir(filepath.Join(modules, e.Name()))
		if err != nil {
			return nil, err
		}
		for _, s := range scoped {
			names = append(names, filepath.Join(e.Name(), s.Name()))
		}
	}
	return names, nil
}

// ownPackage is the folder in the repository, relative to its top, that an
// entry of node_modules is a link to.
func (b *borrowed) ownPackage(entry string) (string, bool) {
	info, err := os.Lstat(entry)
	if err != nil || info.Mode()&fs.ModeSymlink == 0 {
		return "", false
	}
	real, err := filepath.EvalSymlinks(entry)
	if err != nil {
		return "", false
	}
	rel, err := filepath.Rel(b.top, real)
	if err != nil || rel == "." || !filepath.IsLocal(rel) {
		return "", false
	}
	inModules := strings.Contains("/"+filepath.ToSlash(rel)+"/", "/node_modules/")
	return rel, !inModules
}

var extends = regexp.MustCompile(`"extends"\s*:\s*(\[[^\]]*\]|"[^"]*")`)

// bringConfigs copies the files that a folder's tsconfig extends and git does
// not keep: frameworks generate them, and the aliases of imports are in them.
func (b *borrowed) bringConfigs(rel string) error {
	for _, name := range []string{"tsconfig.json", "jsconfig.json"} {
		text, err := os.ReadFile(filepath.Join(b.copied, rel, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		m := extends.FindSubmatch(text)
		if m == nil {
			continue
		}
		for quoted := range strings.SplitSeq(strings.Trim(string(m[1]), "[]"), ",") {
			base := strings.Trim(strings.TrimSpace(quoted), `"`)
			if !strings.HasPrefix(base, ".") {
				continue
			}
			if filepath.Ext(base) != ".json" {
				base += ".json"
			}
			file := filepath.Join(rel, filepath.FromSlash(base))
			if !filepath.IsLocal(file) || exists(filepath.Join(b.copied, file)) {
				continue
			}
			if err := b.bring(file); err != nil {
				return err
			}
		}
	}
	return nil
}

// bring copies one file of the work tree; none there is no error.
func (b *borrowed) bring(rel string) error {
	from, err := os.Open(filepath.Join(b.top, rel))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer from.Close()
	return writeFile(filepath.Join(b.copied, rel), from)
}

// bringBuilt copies the built files of the workspace packages whose sources
// are the same now as in the revision, and notes the other packages with any.
func (b *borrowed) bringBuilt(ctx context.Context) error {
	for name, dir := range b.packages {
		if !isDir(filepath.Join(b.copied, dir)) {
			continue
		}
		list, err := git(ctx, b.top, "ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory", "--", dir)
		if err != nil {
			return err
		}
		var built []string
		for p := range strings.SplitSeq(list, "\x00") {
			p = filepath.FromSlash(strings.TrimSuffix(p, "/"))
			if base := filepath.Base(p); p != "" && base != "node_modules" && !strings.HasPrefix(base, ".") {
				built = append(built, p)
			}
		}
		if len(built) == 0 {
			b.unbuilt = append(b.unbuilt, name)
			continue
		}
		changed, err := b.changed(ctx, dir)
		if err != nil {
			return err
		}
		if changed {
			b.stale = append(b.stale, name)
			continue
		}
		for _, p := range built {
			if err := b.bringTree(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// changed reports whether a folder's files are others now than in the revision.
func (b *borrowed) changed(ctx context.Context, dir string) (bool, error) {
	names, err := git(ctx, b.top, "diff", "--name-only", b.commit, "--", dir)
	return names != "", err
}

// bringTree copies the code and the data below a path of the work tree.
func (b *borrowed) bringTree(rel string) error {
	return filepath.WalkDir(filepath.Join(b.top, rel), func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && e.Name() == "node_modules":
			return fs.SkipDir
		case !e.Type().IsRegular() || !isSource(e.Name()):
			return nil
		}
		file, err := filepath.Rel(b.top, path)
		if err != nil || exists(filepath.Join(b.copied, file)) {
			return err
		}
		return b.bring(file)
	})
}

// isSource reports whether code can import a file of that name.
func isSource(name string) bool {
	for _, p := range sourcePatterns {
		if strings.HasSuffix(name, p[1:]) {
			return true
		}
	}
	return false
}

// explain tells of a load that failed for a package that has to be built what
// can be done about it: nothing here can build the old one.
func (b *borrowed) explain(ctx context.Context, ref string, err error) error {
	if err == nil {
		return nil
	}
	text, _, _ := strings.Cut(err.Error(), "\nhint: ")
	stale := func(name string) error {
		return errors.New(text + "\nhint: " + name + " is built from " + filepath.ToSlash(b.packages[name]) +
			", whose sources are others now: check " + ref + " out into a folder of its own, install and build there, and name that folder")
	}
	for _, name := range b.stale {
		if strings.Contains(text, `package "`+name+`"`) {
			return stale(name)
		}
	}
	for _, name := range b.unbuilt {
		if !strings.Contains(text, `package "`+name+`" is not built`) {
			continue
		}
		// Of the same sources a build in the work tree will do.
		if changed, gitErr := b.changed(ctx, b.packages[name]); gitErr == nil && changed {
			return stale(name)
		}
	}
	return err
}
