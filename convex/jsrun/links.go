package jsrun

import "path/filepath"

// Files are the project's own files that the program was bundled from,
// absolute: its modules and what they import, packages left out.
func (p *Program) Files() []string {
	var out []string
	for file := range p.links {
		if own(file) && !isEntry(file) {
			out = append(out, file)
		}
	}
	return out
}

// Import is the file that a specifier leads to from a file, as the bundle
// resolved it, absolute; "" when the bundle has no such import or it leads into
// a package. Imports of types alone are not in it.
func (p *Program) Import(file, specifier string) string {
	if to := p.links[file][specifier]; own(to) {
		return to
	}
	return ""
}

// own reports whether a file is the project's: on a disk, and of no package.
func own(file string) bool {
	for dir := file; filepath.IsAbs(dir); dir = filepath.Dir(dir) {
		if filepath.Base(dir) == "node_modules" {
			return false
		}
		if filepath.Dir(dir) == dir {
			return true
		}
	}
	return false
}

// links are the imports of every file as they are written.
func (b *bundler) links(m metafile) map[string]map[string]string {
	out := map[string]map[string]string{}
	for file, in := range m.Inputs {
		to := map[string]string{}
		for _, i := range in.Imports {
			if i.Original != "" && !i.External {
				to[i.Original] = b.input(i.Path)
			}
		}
		out[b.input(file)] = to
	}
	return out
}
