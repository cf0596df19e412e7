package local

import (
	"maps"
	"slices"
	"time"

	"strait/model/schema"
	"strait/model/value"
)

// What a push changed, as finish_push answers it and the audit log keeps it
// (convex-wire.md 10.2, 6.2).

// pushDiff is by component path.
type pushDiff map[string]*componentDiff

type componentDiff struct {
	Type struct {
		Type string `json:"type"` // create, modify, unmount, remount
	} `json:"diffType"`
	Modules pathDiff     `json:"moduleDiff"`
	Version *versionDiff `json:"udfConfigDiff"`
	Crons   cronDiff     `json:"cronDiff"`
	Indexes indexDiff    `json:"indexDiff"`
	Schema  *schemaDiff  `json:"schemaDiff"`
}

type pathDiff struct {
	Added   []string `json:"added"`
	Removed []string `json:"removed"`
}

type versionDiff struct {
	Previous string `json:"previous_version"`
	Next     string `json:"next_version"`
}

type cronDiff struct {
	Added   []string `json:"added"`
	Updated []string `json:"updated"`
	Deleted []string `json:"deleted"`
}

type schemaDiff struct {
	PreviousID *string `json:"previous_schema_id"`
	NextID     *string `json:"next_schema_id"`
	Previous   *string `json:"previous_schema"`
	Next       *string `json:"next_schema"`
}

type indexDiff struct {
	Added    []indexConfig `json:"added_indexes"`
	Removed  []indexConfig `json:"removed_indexes"`
	Enabled  []indexConfig `json:"enabled_indexes"`
	Disabled []indexConfig `json:"disabled_indexes"`
}

// indexConfig is one index as the CLI reads it; what its kind has not is nil.
type indexConfig struct {
	Name         string    `json:"name"` // "table.index"
	Type         string    `json:"type"`
	Staged       bool      `json:"staged"`
	Fields       *[]string `json:"fields,omitempty"`
	SearchField  *string   `json:"searchField,omitempty"`
	VectorField  *string   `json:"vectorField,omitempty"`
	Dimensions   *int      `json:"dimensions,omitempty"`
	FilterFields *[]string `json:"filterFields,omitempty"`
}

func configOf(table string, x schema.Index) indexConfig {
	c := indexConfig{Name: table + "." + x.Name, Type: string(x.Kind), Staged: x.Staged}
	filters := append([]string{}, x.FilterFields...)
	switch x.Kind {
	case schema.SearchIndex:
		c.SearchField, c.FilterFields = &x.SearchField, &filters
	case schema.VectorIndex:
		c.VectorField, c.Dimensions, c.FilterFields = &x.VectorField, &x.Dimensions, &filters
	default:
		fields := append([]string{}, x.Fields...)
		c.Fields = &fields
	}
	return c
}

// sameIndex reports whether two indexes of one name hold the same entries.
func sameIndex(a, b schema.Index) bool {
	return a.Kind == b.Kind && slices.Equal(a.Fields, b.Fields) && a.SearchField == b.SearchField && a.VectorField == b.VectorField &&
		a.Dimensions == b.Dimensions && slices.Equal(slices.Sorted(slices.Values(a.FilterFields)), slices.Sorted(slices.Values(b.FilterFields)))
}

// tableIndex is an index with its table.
type tableIndex struct {
	table string
	schema.Index
}

func indexesOf(s *schema.Schema) map[string]tableIndex {
	out := map[string]tableIndex{}
	if s != nil {
		for _, t := range s.Tables {
			for _, x := range t.Indexes {
				out[t.Name+"."+x.Name] = tableIndex{t.Name, x}
			}
		}
	}
	return out
}

// diffIndexes compares the indexes of two schemas; a changed one is removed
// and added.
func diffIndexes(from, to *schema.Schema) indexDiff {
	d := indexDiff{[]indexConfig{}, []indexConfig{}, []indexConfig{}, []indexConfig{}}
	before, after := indexesOf(from), indexesOf(to)
	for _, name := range slices.Sorted(maps.Keys(before)) {
		if x, ok := after[name]; !ok || !sameIndex(x.Index, before[name].Index) {
			d.Removed = append(d.Removed, configOf(before[name].table, before[name].Index))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		new := after[name]
		old, ok := before[name]
		config := configOf(new.table, new.Index)
		switch {
		case !ok || !sameIndex(new.Index, old.Index):
			d.Added = append(d.Added, config)
		case old.Staged && !new.Staged:
			d.Enabled = append(d.Enabled, config)
		case !old.Staged && new.Staged:
			d.Disabled = append(d.Disabled, config)
		}
	}
	return d
}

// diffPush compares two versions of the deployment.
func diffPush(base, next *snapshot) pushDiff {
	paths := map[string]bool{}
	for _, s := range []*snapshot{base, next} {
		if s.code.app != nil {
			for _, c := range s.code.app.Components {
				paths[c.Path] = true
			}
		}
	}
	for path, s := range next.spaces {
		if old := base.space(path); old == nil || old.schema != s.schema {
			paths[path] = true
		}
	}
	out := pushDiff{}
	for path := range paths {
		out[path] = diffComponent(base, next, path)
	}
	return out
}

func diffComponent(base, next *snapshot, path string) *componentDiff {
	d := &componentDiff{}
	was, is := base.code.component(path) != nil, next.code.component(path) != nil
	switch {
	case was && !is:
		d.Type.Type = "unmount"
	case was || path == "" && base.code.app != nil:
		d.Type.Type = "modify"
	case base.space(path) != nil && path != "":
		d.Type.Type = "remount"
	default:
		d.Type.Type = "create"
	}
	before, after := base.code.modules(path), next.code.modules(path)
	d.Modules = pathDiff{[]string{}, []string{}}
	for _, m := range slices.Sorted(maps.Keys(after)) {
		if digest, ok := before[m]; !ok || digest != after[m] {
			d.Modules.Added = append(d.Modules.Added, m)
		}
	}
	for _, m := range slices.Sorted(maps.Keys(before)) {
		if digest, ok := after[m]; !ok || digest != before[m] {
			d.Modules.Removed = append(d.Modules.Removed, m)
		}
	}
	if from, to := base.code.version(), next.code.version(); from != to {
		d.Version = &versionDiff{from, to}
	}
	d.Crons = cronDiff{[]string{}, []string{}, []string{}}
	for _, name := range next.code.crons(path) {
		if !slices.Contains(base.code.crons(path), name) {
			d.Crons.Added = append(d.Crons.Added, name)
		}
	}
	for _, name := range base.code.crons(path) {
		if !slices.Contains(next.code.crons(path), name) {
			d.Crons.Deleted = append(d.Crons.Deleted, name)
		}
	}
	from, to := schemaIn(base, path), schemaIn(next, path)
	d.Indexes = diffIndexes(from.active, to.active)
	d.Schema = diffSchemas(from, to)
	return d
}

func schemaIn(s *snapshot, path string) *schemaVersion {
	if sp := s.space(path); sp != nil {
		return sp.schema
	}
	return newSchemaVersion(nil)
}

func diffSchemas(from, to *schemaVersion) *schemaDiff {
	if from.active == nil && to.active == nil {
		return nil
	}
	if from.active != nil && to.active != nil && from.active.Hash() == to.active.Hash() {
		return nil
	}
	d := &schemaDiff{}
	if from.active != nil {
		text := storedSchema(from.active)
		d.Previous, d.PreviousID = &text, &from.id
	}
	if to.active != nil {
		text := storedSchema(to.active)
		d.Next, d.NextID = &text, &to.id
	}
	return d
}

// modules are the paths of a component's modules with their digests. Code
// that Strait pushed has none: its modules are those with functions, and count
// as the same as long as their functions do.
func (c *code) modules(path string) map[string]string {
	if c.source != nil && c.component(path) != nil {
		return c.source.digests[path]
	}
	out := map[string]string{}
	if comp := c.component(path); comp != nil {
		for _, f := range comp.Functions {
			out[f.Module+".js"] += f.Export + ";"
		}
	}
	return out
}

func (c *code) crons(path string) []string {
	if c.source == nil || c.component(path) == nil {
		return nil
	}
	return c.source.crons[path]
}

// version is the npm version that pushed the code; "" for Strait.
func (c *code) version() string {
	if c.source == nil {
		return ""
	}
	return c.source.version
}

// pushEvent is the audit log's entry of one push.
type pushEvent struct {
	ID           string    `json:"_id"`
	CreationTime float64   `json:"_creationTime"`
	Action       string    `json:"action"`
	Member       *int64    `json:"member_id"`
	Metadata     eventDiff `json:"metadata"`
}

type eventDiff struct {
	Auth       pathDiff         `json:"auth_diff"`
	Components []eventComponent `json:"component_diffs"`
	Message    string           `json:"message,omitempty"`
}

type eventComponent struct {
	Path *string        `json:"component_path"` // null for the root
	Diff *componentDiff `json:"component_diff"`
}

// auditLogTable is the number of the system table that holds such events.
const auditLogTable = 517

func newPushEvent(d *Deployment, next *prepared, r *release) *pushEvent {
	id := value.ID{Table: auditLogTable}
	d.random.fill(id.Internal[:])
	e := &pushEvent{
		ID: id.String(), Action: "push_config_with_components",
		CreationTime: float64(time.Unix(0, int64(next.snapshot.ts)).UnixMicro()) / 1000,
		Metadata:     eventDiff{Auth: pathDiff{[]string{}, []string{}}, Components: []eventComponent{}, Message: r.message},
	}
	for _, path := range slices.Sorted(maps.Keys(next.diff)) {
		c := eventComponent{Diff: next.diff[path]}
		if path != "" {
			c.Path = &path
		}
		e.Metadata.Components = append(e.Metadata.Components, c)
	}
	return e
}
