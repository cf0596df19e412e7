package project

import (
	"context"
	"fmt"
	"os"
	"testing"
)

// TestField loads the project of STRAIT_FIELD and prints what was found.
func TestField(t *testing.T) {
	dir := os.Getenv("STRAIT_FIELD")
	if dir == "" {
		t.Skip("STRAIT_FIELD names no project")
	}
	p, err := Load(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	tables := 0
	if p.Schema != nil {
		tables = len(p.Schema.Tables)
	}
	functions := 0
	if len(p.App.Components) > 0 {
		functions = len(p.App.Components[0].Functions)
	}
	fmt.Printf("%s root=%s functions=%s schema=%s tables=%d json=%d functions=%d components=%d load=%s packages=%v\n", p.Name, p.Root, p.FunctionsDir, p.SchemaFile, tables, len(p.SchemaJSON), functions, len(p.App.Components), p.LoadTime, p.Packages)
	for _, c := range p.App.Components {
		if c.Path != "" {
			n := 0
			if c.Schema != nil {
				n = len(c.Schema.Tables)
			}
			fmt.Printf("  component %s: %d functions, %d tables\n", c.Path, len(c.Functions), n)
		}
	}
	for _, m := range p.Migrations {
		fmt.Printf("  %-9s %s table=%s batch=%d range=%v par=%v series=%v in=%v runner=%v cursor=%s size=%s dry=%s cont=%v action=%v pub=%v %s:%d src=%d\n", m.Driver, m.Name, m.Table, m.BatchSize, m.CustomRange, m.Parallelize, m.Series, m.InSeries, m.Runner, m.CursorArg, m.SizeArg, m.DryRunArg, m.Continues, m.Action, m.Public, m.File, m.Line, len(m.Source))
	}
	for _, q := range p.Problems {
		w := "ERROR"
		if q.Warning {
			w = "warn"
		}
		fmt.Printf("  %s %s:%d:%d %s | %s\n", w, q.File, q.Line, q.Column, q.Message, q.Hint)
	}
	for _, e := range p.Config.Envs {
		fmt.Printf("  env %s url=%s generate=%d component=%s found=%s\n", e.Name, e.URL, len(e.Generate), e.Component, e.Found)
	}
}
