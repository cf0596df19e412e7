package local

import (
	"crypto/sha256"
	"fmt"
	"strings"

	"strait/convex/jsrun"
	"strait/model/value"
)

const (
	handlePrefix = "function://"
	handleTable  = 40 // number in the ids of handles
)

// newCode makes the index of an app's functions and their handles. A handle
// depends on nothing but component and path, so it is the same after every
// push (convex-wire.md 12.8).
func newCode(epoch uint64, app *jsrun.App) *code {
	c := &code{epoch: epoch, app: app, handles: map[string]functionAddress{}, ids: map[functionAddress]string{}}
	if app == nil {
		return c
	}
	for _, comp := range app.Components {
		for _, f := range comp.Functions {
			a := functionAddress{comp.Path, f.Path()}
			sum := sha256.Sum256([]byte(a.component + "\x00" + a.path))
			id := value.ID{Table: handleTable, Internal: [16]byte(sum[:16])}.String()
			c.handles[id], c.ids[a] = a, id
		}
	}
	return c
}

func (c *code) component(path string) *jsrun.Component {
	if c.app == nil {
		return nil
	}
	return c.app.Component(path)
}

// handle is the handle of a function.
func (c *code) handle(a functionAddress) (string, error) {
	id, ok := c.ids[a]
	if !ok {
		return "", userErrorf("FunctionHandleNotFound", "Function handle not found")
	}
	return handlePrefix + id + "#" + a.path, nil
}

// lookup is the function of a handle.
func (c *code) lookup(handle string) (functionAddress, error) {
	id, ok := strings.CutPrefix(handle, handlePrefix)
	if !ok {
		return functionAddress{}, userErrorf("InvalidFunctionHandle", "Function handle %q must start with %q", handle, handlePrefix)
	}
	id, _, _ = strings.Cut(id, "#")
	a, ok := c.handles[id]
	if !ok {
		return a, userErrorf("FunctionHandleNotFound", "Function handle not found")
	}
	return a, nil
}

// address resolves the function that a syscall names: by handle, name or
// reference, seen from a component.
func (c *code) address(from *jsrun.Component, args object, method string) (functionAddress, error) {
	if h, ok := args.text("functionHandle"); ok {
		return c.lookup(h)
	}
	if name, ok := args.text("name"); ok {
		return functionAddress{from.Path, canonicalPath(name)}, nil
	}
	ref, ok := args.text("reference")
	if !ok {
		return functionAddress{}, userErrorf("InvalidArgument", "Invalid arguments for `%s`: one of name, reference and functionHandle is needed", method)
	}
	return c.reference(from, ref)
}

func (c *code) reference(from *jsrun.Component, ref string) (functionAddress, error) {
	invalid := func(format string, args ...any) (functionAddress, error) {
		return functionAddress{}, userErrorf("InvalidReference", format, args...)
	}
	parts := strings.Split(ref, "/")
	if len(parts) < 3 || parts[0] != "_reference" {
		return invalid("Invalid reference %q", ref)
	}
	switch parts[1] {
	case "function":
		return functionAddress{from.Path, canonicalPath(strings.Join(parts[2:], "/"))}, nil
	case "componentArgument":
		return invalid("Cannot execute a value resource")
	case "childComponent":
		path, ok := from.Children[parts[2]]
		child := c.component(path)
		if !ok || child == nil {
			return invalid("Child component %q not found", parts[2])
		}
		attributes := parts[3:]
		if n := len(attributes); n > 0 {
			f, ok := child.Function(strings.Join(attributes[:n-1], "/") + ":" + attributes[n-1])
			if ok && f.Public {
				return functionAddress{path, f.Path()}, nil
			}
		}
		return invalid("Child component %q does not export %s", parts[2], quotedList(attributes))
	}
	return invalid("Invalid reference %q", ref)
}

// canonicalPath is "dir/mod:export" of what callers write.
func canonicalPath(name string) string {
	module, export, ok := strings.Cut(name, ":")
	if !ok {
		export = "default"
	}
	return strings.TrimSuffix(module, ".js") + ":" + export
}

// filePath is "dir/mod.js:export", as logs and errors print functions.
func filePath(path string) string {
	module, export, _ := strings.Cut(path, ":")
	if export == "default" {
		return module + ".js"
	}
	return module + ".js:" + export
}

// inComponent is the end of a sentence that names a component.
func inComponent(path string) string {
	if path == "" {
		return ""
	}
	return fmt.Sprintf(" in '%s'", path)
}
