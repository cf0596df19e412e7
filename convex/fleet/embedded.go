package fleet

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"strait/convex/local"
	"strait/convex/project"
	"strait/convex/snapshot"
	"strait/convex/wire"
	"strait/model/schema"
	"strait/model/value"
)

// openEmbedded builds the embedded deployment that strait.toml describes: its
// documents first, then the schema and the code, then the migrations that ran
// before. The same file gives the same deployment every time.
func (e *env) openEmbedded(ctx context.Context) (*wire.Client, func(), error) {
	e.at("loading its schema")
	p := e.f.Project()
	b := &builder{e: e, p: p, cfg: e.cfg}
	d, err := b.build(ctx)
	if err != nil {
		if ctx.Err() == nil {
			err = &fatalError{err}
		}
		return nil, nil, err
	}
	client := wire.New(wire.Options{URL: "http://" + d.Name() + ".embedded", AdminKey: d.AdminKey(), HTTP: d.HTTPClient(), Now: e.f.opt.Now})
	e.f.change(func() { e.embed, e.url, e.deployment = d, "", d.Name() })
	end := func() {
		e.f.change(func() { e.embed = nil })
		client.Close()
		d.Close()
	}
	if err := e.probe(ctx, client); err != nil {
		end()
		return nil, nil, err
	}
	return client, end, nil
}

// OpenEmbedded builds one environment's embedded deployment without a fleet
// around it, for strait serve. The caller closes it.
func OpenEmbedded(ctx context.Context, p *project.Project, name string, stage func(string)) (*local.Deployment, error) {
	for _, c := range p.Config.Envs {
		if c.Name != name {
			continue
		}
		if !c.Embedded() {
			return nil, fmt.Errorf("environment %q is at %s: only an embedded one can be served", name, cmp.Or(c.URL, "a deployment of its own"))
		}
		return (&builder{p: p, cfg: c, stage: stage}).build(ctx)
	}
	return nil, fmt.Errorf("no environment %q", name)
}

type builder struct {
	e     *env // nil without a fleet
	p     *project.Project
	cfg   project.Env
	stage func(string)
}

func (b *builder) at(stage string) {
	if b.e != nil {
		b.e.at(stage)
	} else if b.stage != nil {
		b.stage(stage)
	}
}

func (b *builder) build(ctx context.Context) (_ *local.Deployment, err error) {
	if b.p.App == nil {
		return nil, fmt.Errorf("environment %s: the project's code did not load, so there is nothing to deploy: see the problems that strait inspect lists", b.cfg.Name)
	}
	seed := b.cfg.Seed
	if seed == 0 {
		seed = seedOf(b.cfg.Name)
	}
	documents, err := b.schema(ctx, b.cfg.Documents, b.p.Schema)
	if err != nil {
		return nil, fmt.Errorf("environment %s: documents: %w", b.cfg.Name, err)
	}
	deployed, err := b.deployed(ctx, documents)
	if err != nil {
		return nil, fmt.Errorf("environment %s: schema: %w", b.cfg.Name, err)
	}
	d := local.New(local.Options{Name: "embedded-" + b.cfg.Name, Seed: seed})
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	if err := b.fill(ctx, d, documents, seed); err != nil {
		return nil, fmt.Errorf("environment %s: %w", b.cfg.Name, err)
	}
	b.at("deploying code and schema")
	if err := b.push(ctx, d, documents, deployed); err != nil {
		return nil, fmt.Errorf("environment %s: %w", b.cfg.Name, err)
	}
	return d, nil
}

// seedOf makes a seed of a name, so that environments differ and stay.
func seedOf(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return h.Sum64() | 1
}

// schema loads what strait.toml names; fallback when it names nothing.
func (b *builder) schema(ctx context.Context, spec string, fallback *schema.Schema) (*schema.Schema, error) {
	switch spec {
	case "":
		return fallback, nil
	case "target":
		return b.p.Schema, nil
	}
	return project.LoadSchema(ctx, b.p.Root, spec)
}

// deployed is the schema to deploy: the widened one unless something else is
// said.
func (b *builder) deployed(ctx context.Context, documents *schema.Schema) (*schema.Schema, error) {
	switch b.cfg.Schema {
	case "", "widened":
		if documents == nil || b.p.Schema == nil {
			return b.p.Schema, nil
		}
		return schema.WidenSchemas(documents, b.p.Schema), nil
	}
	return b.schema(ctx, b.cfg.Schema, b.p.Schema)
}

// push deploys code and schema. Where migrations ran before, they ran under
// the widened schema, and only then was the last one deployed.
func (b *builder) push(ctx context.Context, d *local.Deployment, documents, deployed *schema.Schema) error {
	first := deployed
	if len(b.cfg.Ran) > 0 && documents != nil && b.p.Schema != nil {
		first = schema.WidenSchemas(documents, b.p.Schema)
	}
	if err := d.Push(ctx, local.Push{App: b.p.App, Schema: first}); err != nil {
		return b.notDeployed(err)
	}
	if err := b.replay(ctx, d); err != nil {
		return err
	}
	if first == deployed {
		return nil
	}
	b.at("deploying the last schema")
	if err := d.PushSchema(ctx, deployed); err != nil {
		return fmt.Errorf("after the migrations that ran: %w", b.notDeployed(err))
	}
	return nil
}

// notDeployed says why the deployment takes no schema. The document in
// Convex's text is left out.
func (b *builder) notDeployed(err error) error {
	var push *local.PushError
	if !errors.As(err, &push) {
		return fmt.Errorf("deploy: %w", err)
	}
	err = fmt.Errorf("the schema is refused by Convex: %s", firstLine(push.Message))
	if b.cfg.Snapshot != "" && b.cfg.Documents == "" && push.Document != "" {
		err = fmt.Errorf("%w\nhint: say which shape the documents of %s have, and the schema widened by it is deployed: documents = \"git:main\", or a schema file", err, b.cfg.Snapshot)
	}
	return err
}

func (b *builder) fill(ctx context.Context, d *local.Deployment, documents *schema.Schema, seed uint64) error {
	if b.cfg.Snapshot != "" {
		if err := b.importSnapshot(ctx, d); err != nil {
			return err
		}
	}
	var total int64
	counts := map[string]int{}
	for table, n := range b.cfg.Generate {
		if table == "*" {
			continue
		}
		if documents == nil {
			return errors.New("generate: the schema that the documents follow did not load; strait inspect says why")
		}
		if documents.Table(table) == nil {
			return fmt.Errorf("generate: table %q is not in the schema that the documents follow", table)
		}
		counts[table] = n
	}
	if rest, ok := b.cfg.Generate["*"]; ok && documents != nil {
		for _, t := range documents.Tables {
			if _, named := counts[t.Name]; !named {
				counts[t.Name] = rest
			}
		}
	}
	for _, n := range counts {
		total += int64(n)
	}
	if len(counts) > 0 {
		b.at(fmt.Sprintf("generating %s documents", thousands(total)))
		if err := d.Generate(ctx, local.GenerateOptions{Schema: documents, Counts: counts, Seed: seed}); err != nil {
			return fmt.Errorf("generate documents: %w", err)
		}
	}
	if b.cfg.Overlay == "" {
		return nil
	}
	b.at("adding the documents of " + b.cfg.Overlay)
	return b.overlay(ctx, d)
}

// importSnapshot fills the deployment from an export ZIP; ids and creation
// times survive. Of the components, only those that the project has are filled.
func (b *builder) importSnapshot(ctx context.Context, d *local.Deployment) error {
	a, err := snapshot.Open(b.inRoot(b.cfg.Snapshot))
	if err != nil {
		return err
	}
	defer a.Close()
	_, err = d.Import(ctx, a, local.ImportOptions{
		Mode:     local.RequireEmpty,
		Only:     func(component string) bool { return b.p.App.Component(component) != nil },
		Progress: func(text string) { b.at(strings.ToLower(text[:1]) + text[1:]) },
	})
	if err != nil {
		return fmt.Errorf("import %s: %w", b.cfg.Snapshot, err)
	}
	return nil
}

// inRoot is a path of strait.toml, which is relative to the project's root.
func (b *builder) inRoot(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(b.p.Root, path)
}

// overlay inserts the documents of a file of JSON lines {"table","document"},
// documents in convex_encoded_json.
func (b *builder) overlay(ctx context.Context, d *local.Deployment) error {
	file, err := os.Open(b.inRoot(b.cfg.Overlay))
	if err != nil {
		return fmt.Errorf("overlay: %w", err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 4<<20)
	for n := 1; lines.Scan(); n++ {
		text := strings.TrimSpace(lines.Text())
		if text == "" {
			continue
		}
		var line struct {
			Table    string          `json:"table"`
			Document json.RawMessage `json:"document"`
		}
		if err := json.Unmarshal([]byte(text), &line); err != nil || line.Table == "" || line.Document == nil {
			return fmt.Errorf(`overlay: %s:%d: want {"table":…,"document":…}`, b.cfg.Overlay, n)
		}
		v, err := value.Decode(line.Document)
		if err != nil {
			return fmt.Errorf("overlay: %s:%d: %w", b.cfg.Overlay, n, err)
		}
		doc, ok := v.(value.Object)
		if !ok {
			return fmt.Errorf("overlay: %s:%d: the document is no object", b.cfg.Overlay, n)
		}
		if _, err := d.Insert(ctx, "", line.Table, []value.Object{doc}); err != nil {
			return fmt.Errorf("overlay: %s:%d: %w", b.cfg.Overlay, n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("overlay: %s: %w", b.cfg.Overlay, err)
	}
	return nil
}

// step is one entry of `ran`: a migration, run to its end or for some batches.
type step struct {
	migration project.Migration
	batches   int // 0: to the end
}

// steps reads `ran`; "*" stands for every definition in the order of the file.
func (b *builder) steps() ([]step, error) {
	var out []step
	for _, text := range b.cfg.Ran {
		name, count, cut := strings.Cut(text, "@")
		s := step{}
		if cut {
			n, err := strconv.Atoi(count)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("ran: %q: want a number of batches after @", text)
			}
			s.batches = n
		}
		if name == "*" || name == "all" {
			for _, m := range b.p.Migrations {
				if !m.Runner {
					out = append(out, step{m, s.batches})
				}
			}
			continue
		}
		m, err := findMigration(b.p, name)
		if err != nil {
			return nil, fmt.Errorf("ran: %w", err)
		}
		s.migration = m
		out = append(out, s)
	}
	return out, nil
}

// findMigration finds a migration by its name, or by a shorter one when only
// one is called so.
func findMigration(p *project.Project, name string) (project.Migration, error) {
	var hits []project.Migration
	for _, m := range p.Migrations {
		if m.Name == name {
			return m, nil
		}
		if m.Called(name) {
			hits = append(hits, m)
		}
	}
	switch len(hits) {
	case 1:
		return hits[0], nil
	case 0:
		return project.Migration{}, fmt.Errorf("the project has no migration %q", name)
	}
	var names []string
	for _, m := range hits {
		names = append(names, m.Name)
	}
	return project.Migration{}, fmt.Errorf("several migrations are called %q: %s", name, strings.Join(names, ", "))
}
