package local

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"strait/convex/jsrun"
	"strait/model/schema"
)

// startPushAnswer is the StartPushResponse (convex-wire.md 10.2).
type startPushAnswer struct {
	EnvironmentVariables map[string]string             `json:"environmentVariables"`
	ExternalDepsID       *string                       `json:"externalDepsId"`
	Packages             map[string]sourcePackage      `json:"componentDefinitionPackages"`
	AppAuth              []struct{}                    `json:"appAuth"`
	Analysis             map[string]analyzedDefinition `json:"analysis"`
	App                  *checkedComponent             `json:"app"`
	SchemaChange         schemaChange                  `json:"schemaChange"`
}

// sourcePackage is where Convex's backend has stored a definition's code; here
// it names the push, which is kept in memory.
type sourcePackage struct {
	StorageKey string `json:"storageKey"`
}

type schemaChange struct {
	AllocatedComponentIDs map[string]string    `json:"allocatedComponentIds"`
	SchemaIDs             map[string]*string   `json:"schemaIds"`
	IndexDiffs            map[string]indexDiff `json:"indexDiffs"`
}

type analyzedDefinition struct {
	Definition map[string]json.RawMessage `json:"definition"`
	Schema     json.RawMessage            `json:"schema"`
	Functions  map[string]analyzedModule  `json:"functions"`
	UDFConfig  udfConfig                  `json:"udfConfig"`
}

type udfConfig struct {
	ServerVersion string          `json:"serverVersion"`
	Seed          json.RawMessage `json:"importPhaseRngSeed"`
	Timestamp     json.RawMessage `json:"importPhaseUnixTimestamp"`
}

type analyzedModule struct {
	Functions    []analyzedFunction `json:"functions"`
	HTTPRoutes   *struct{}          `json:"httpRoutes"`
	CronSpecs    *struct{}          `json:"cronSpecs"`
	SourceMapped *struct{}          `json:"sourceMapped"`
}

type analyzedFunction struct {
	Name       string             `json:"name"`
	Pos        *sourcePosition    `json:"pos"`
	UDFType    jsrun.FunctionType `json:"udfType"`
	Visibility visibility         `json:"visibility"`
	Args       string             `json:"args"`
	Returns    *string            `json:"returns"`
}

type sourcePosition struct {
	Path   string `json:"path"`
	Line   int    `json:"start_lineno"`
	Column int    `json:"start_col"`
}

type visibility struct {
	Kind string `json:"kind"`
}

// checkedComponent is the tree of the app's components.
type checkedComponent struct {
	DefinitionPath  string                       `json:"definitionPath"`
	ComponentPath   string                       `json:"componentPath"`
	Args            struct{}                     `json:"args"`
	Env             map[string]envBinding        `json:"env"`
	ChildComponents map[string]*checkedComponent `json:"childComponents"`
	HTTPRoutes      checkedRoutes                `json:"httpRoutes"`
	Exports         struct{}                     `json:"exports"`
}

type checkedRoutes struct {
	Routes []struct{} `json:"httpModuleRoutes"`
	Mounts []string   `json:"mounts"`
}

type envBinding struct {
	Type  string  `json:"type"` // value, envVar
	Value *string `json:"value,omitempty"`
	Name  *string `json:"name,omitempty"`
}

// answer is what start_push answers.
func (e *evaluation) answer(base *snapshot, p *startedPush) *startPushAnswer {
	a := &startPushAnswer{
		EnvironmentVariables: map[string]string{}, AppAuth: []struct{}{}, App: e.root,
		Packages: map[string]sourcePackage{}, Analysis: map[string]analyzedDefinition{}, SchemaChange: e.change(base),
	}
	for path, def := range e.definitions {
		a.Packages[path] = sourcePackage{p.id}
		a.Analysis[path] = def.analysis(path)
	}
	return a
}

// change tells how the push changes schemas and indexes; with ids when they
// have been submitted.
func (e *evaluation) change(base *snapshot) schemaChange {
	c := schemaChange{map[string]string{}, map[string]*string{}, map[string]indexDiff{}}
	for path, target := range e.release.targets {
		c.SchemaIDs[path] = nil
		if sub := e.release.subs[path]; sub != nil {
			c.SchemaIDs[path] = &sub.id
		}
		if base.space(path) == nil {
			c.AllocatedComponentIDs[path] = componentID(path)
		}
		c.IndexDiffs[path] = diffIndexes(schemaIn(base, path).active, target)
	}
	return c
}

func (def *definition) analysis(path string) analyzedDefinition {
	a := analyzedDefinition{
		Functions: map[string]analyzedModule{}, Schema: json.RawMessage("null"), Definition: map[string]json.RawMessage{},
		UDFConfig: udfConfig{def.version, json.RawMessage(`{"$bytes":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}`), json.RawMessage(`{"$integer":"AAAAAAAAAAA="}`)},
	}
	if def.schema != nil {
		a.Schema = json.RawMessage(storedSchema(def.schema))
	}
	for _, m := range def.code.Modules {
		a.Functions[m] = analyzedModule{Functions: []analyzedFunction{}}
	}
	for _, f := range def.code.Functions {
		if f.Type == jsrun.HTTPAction {
			continue
		}
		m := a.Functions[f.Module+".js"]
		m.Functions = append(m.Functions, analyze(f))
		a.Functions[f.Module+".js"] = m
	}
	_ = json.Unmarshal(def.Config, &a.Definition) // an object, or nothing
	for name, text := range map[string]string{
		"definitionType": `{"type":"app"}`, "childComponents": `[]`, "httpMounts": `{}`, "exports": `{"type":"branch","branch":[]}`,
	} {
		if a.Definition[name] == nil {
			a.Definition[name] = json.RawMessage(text)
		}
	}
	a.Definition["path"], _ = json.Marshal(path)
	if path != "" {
		a.Definition["exports"], _ = json.Marshal(exportsOf(def.code.Functions))
	}
	return a
}

func analyze(f jsrun.Function) analyzedFunction {
	a := analyzedFunction{Name: f.Export, UDFType: f.Type, Visibility: visibility{"internal"}, Args: string(validatorJSON(f.Args))}
	if f.Public {
		a.Visibility.Kind = "public"
	}
	if f.Return != nil {
		text := string(f.Return.JSON())
		a.Returns = &text
	}
	if f.Line > 0 {
		a.Pos = &sourcePosition{f.Module + ".js", f.Line, 0}
	}
	return a
}

// exportNode is a node of a component's exports: its public functions, by the
// parts of their modules' paths.
type exportNode struct {
	leaf     string
	children map[string]*exportNode
}

func exportsOf(functions []jsrun.Function) *exportNode {
	root := &exportNode{children: map[string]*exportNode{}}
	for _, f := range functions {
		if !f.Public {
			continue
		}
		at := root
		for part := range strings.SplitSeq(f.Module, "/") {
			next := at.children[part]
			if next == nil || next.children == nil {
				next = &exportNode{children: map[string]*exportNode{}}
				at.children[part] = next
			}
			at = next
		}
		if at.children[f.Export] == nil {
			at.children[f.Export] = &exportNode{leaf: "_reference/function/" + f.Module + ".js:" + f.Export}
		}
	}
	return root
}

// MarshalJSON writes {"type":"branch","branch":[[name, node]…]} or
// {"type":"leaf","leaf":reference}.
func (n *exportNode) MarshalJSON() ([]byte, error) {
	if n.children == nil {
		return json.Marshal(map[string]string{"type": "leaf", "leaf": n.leaf})
	}
	branch := []any{}
	for _, name := range slices.Sorted(maps.Keys(n.children)) {
		branch = append(branch, []any{name, n.children[name]})
	}
	return json.Marshal(map[string]any{"type": "branch", "branch": branch})
}

// schemaStatus is what wait_for_schema answers.
type schemaStatus struct {
	Type       string
	Components map[string]componentStatus // of inProgress

	Error, ComponentPath, TableName string // of failed
}

// MarshalJSON writes the keys that the type has, even when empty.
func (s schemaStatus) MarshalJSON() ([]byte, error) {
	out := map[string]any{"type": s.Type}
	switch s.Type {
	case "inProgress":
		out["components"] = s.Components
	case "failed":
		out["error"], out["componentPath"], out["tableName"] = s.Error, s.ComponentPath, s.TableName
	}
	return json.Marshal(out)
}

type componentStatus struct {
	Validated       bool `json:"schemaValidationComplete"`
	IndexesComplete int  `json:"indexesComplete"`
	IndexesTotal    int  `json:"indexesTotal"`
}

// schemaStatus looks at the submissions of a push. Indexes are built when the
// push is finished, which costs them no waiting here.
func (d *Deployment) schemaStatus(ids map[string]*string) (schemaStatus, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := schemaStatus{Type: "complete", Components: map[string]componentStatus{}}
	for _, path := range slices.Sorted(maps.Keys(ids)) {
		if ids[path] == nil {
			continue
		}
		p := d.submission(*ids[path])
		if p == nil || p.component != path {
			return out, &httpError{http.StatusNotFound, "SchemaNotFound", fmt.Sprintf("Schema %q is not known to the deployment: start the push again.", *ids[path])}
		}
		total := 0
		for _, x := range indexesOf(p.target) {
			if !x.Staged {
				total++
			}
		}
		out.Components[path] = componentStatus{p.state != schemaPending, total, total}
		switch p.state {
		case schemaFailed:
			return schemaStatus{Type: "failed", Error: p.failed.Message, ComponentPath: path, TableName: p.failed.Table}, nil
		case schemaOverwritten:
			return schemaStatus{Type: "raceDetected"}, nil
		case schemaPending:
			out.Type = "inProgress"
		}
	}
	return out, nil
}

type evaluateSchemaAnswer struct {
	Components     map[string]schemaPrediction `json:"componentSchemaEvaluations"`
	NewDefinitions []string                    `json:"newComponentDefinitions"`
}

// evaluateSchema predicts what a push would do to schemas and indexes.
func (d *Deployment) evaluateSchema(r *http.Request) (*evaluateSchemaAnswer, error) {
	_, e, err := d.prepareRequest(r, false)
	if err != nil {
		return nil, err
	}
	base := d.latest.Load()
	out := &evaluateSchemaAnswer{map[string]schemaPrediction{}, []string{}}
	for _, c := range e.release.app.Components {
		path := e.root.at(c.Path).DefinitionPath
		out.Components[c.Path] = predict(base, c.Path, path, e.release.targets[c.Path])
		if base.space(c.Path) == nil && path != "" && !slices.Contains(out.NewDefinitions, path) {
			out.NewDefinitions = append(out.NewDefinitions, path)
		}
	}
	return out, nil
}

// at finds a component in the tree.
func (c *checkedComponent) at(path string) *checkedComponent {
	if path == "" {
		return c
	}
	for name := range strings.SplitSeq(path, "/") {
		c = c.ChildComponents[name]
	}
	return c
}

type schemaPrediction struct {
	DefinitionPath string            `json:"definitionPath"`
	Validation     bool              `json:"schemaValidation"`
	Tables         []tablePrediction `json:"tables"`
	Indexes        []indexPrediction `json:"indexes"`
	Discarded      []struct{}        `json:"discardedStagedValidators"`
}

type tablePrediction struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"` // notValidated, supersetOfEnforced, mustWalk
	Docs    int64  `json:"numDocs"`
	Bytes   int64  `json:"sizeBytes"`
}

type indexPrediction struct {
	indexConfig
	Change   string `json:"change"` // added, identical, enabled, disabled, dropped
	Backfill bool   `json:"needsBackfill"`
	Docs     int64  `json:"numDocs"`
}

func predict(base *snapshot, path, definitionPath string, target *schema.Schema) schemaPrediction {
	p := schemaPrediction{DefinitionPath: definitionPath, Tables: []tablePrediction{}, Indexes: []indexPrediction{}, Discarded: []struct{}{}}
	sp := base.space(path)
	if sp == nil {
		sp = newSpace(path)
	}
	docs := map[string]int64{}
	for _, t := range sp.userTables() {
		docs[t.name] = int64(t.byID.Len())
	}
	if target != nil {
		p.Validation = target.Validation
		walk := sp.toCheck(target)
		for _, t := range target.Tables {
			prediction := tablePrediction{Name: t.Name, Outcome: "supersetOfEnforced", Docs: docs[t.Name]}
			switch {
			case !target.Validation:
				prediction.Outcome = "notValidated"
			case slices.Contains(walk, sp.table(t.Name)):
				prediction.Outcome = "mustWalk"
			}
			if have := sp.table(t.Name); have != nil {
				prediction.Bytes = have.bytes
			}
			p.Tables = append(p.Tables, prediction)
		}
	}
	d := diffIndexes(sp.schema.active, target)
	changed := map[string]bool{}
	for _, group := range []struct {
		change  string
		indexes []indexConfig
	}{{"dropped", d.Removed}, {"added", d.Added}, {"enabled", d.Enabled}, {"disabled", d.Disabled}} {
		for _, x := range group.indexes {
			table, _, _ := strings.Cut(x.Name, ".")
			p.Indexes = append(p.Indexes, indexPrediction{x, group.change, group.change == "added", docs[table]})
			changed[x.Name] = true
		}
	}
	after := indexesOf(target)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if x := after[name]; !changed[name] {
			p.Indexes = append(p.Indexes, indexPrediction{configOf(x.table, x.Index), "identical", false, docs[x.table]})
		}
	}
	return p
}
