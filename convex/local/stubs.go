package local

import (
	"context"

	"strait/model/schema"
)

// GenerateOptions say what to generate.
type GenerateOptions struct {
	Component string
	Schema    *schema.Schema // the shape of the documents, often the old one
	Counts    map[string]int // documents a table
	Seed      uint64
	Dangling  float64 // share of ids that point to no document; 0 none
}

// Generate fills tables with realistic documents, the same for the same seed.
func (d *Deployment) Generate(context.Context, GenerateOptions) error { panic("being written") }
