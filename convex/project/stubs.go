package project

import (
	"context"

	"strait/model/schema"
)

// This file holds signatures whose bodies are being written.

// Load finds and loads the project at or above o.Dir. It never panics, ends
// within the limits of analysis and reports what failed in Problems; err is
// for "no project here" and for a strait.toml that cannot be used.
func Load(ctx context.Context, o Options) (*Project, error) { panic("being written") }

// LoadSchema evaluates another schema of the project at root: spec is a file
// (relative to root), "git:REF", or "target".
func LoadSchema(ctx context.Context, root, spec string) (*schema.Schema, error) {
	panic("being written")
}
