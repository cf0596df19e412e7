package project

import (
	"path"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"strait/convex/jsrun"
	"strait/model/schema"
)

// Batch sizes of the two packages when nothing else is said
// (convex-wire.md 13.2; convex-helpers/server/migrations has the same).
const packageBatchSize = 100

// findMigrations lists the migrations of the root component: what the
// packages define, then functions that look like hand-written ones.
func findMigrations(a *jsrun.Analysis, src *sources) []Migration {
	functions := map[string]jsrun.Function{}
	for _, f := range a.Functions {
		functions[f.Path()] = f
	}
	taken := map[string]bool{}
	var out []Migration
	for _, d := range a.Definitions {
		if d.Export == "" {
			continue // no module exports it, so nothing can call it
		}
		m := Migration{
			Name: d.Module + ":" + d.Export, Table: d.Table, Driver: ComponentDriver,
			BatchSize: firstPositive(d.BatchSize, d.DefaultBatch, packageBatchSize), CustomRange: d.CustomRange, Parallelize: d.Parallelize,
			Series: []string{}, File: d.File, Line: d.Line, Source: d.Source, Public: functions[d.Module+":"+d.Export].Public,
			Component: d.Component,
		}
		if d.Helpers {
			m.Driver = HelpersDriver
		}
		if text, _ := src.function(d.File, d.Export, d.Line); text != "" {
			m.Source = text
		}
		taken[m.Name] = true
		out = append(out, m)
	}
	for _, r := range a.Runners {
		m := Migration{
			Name: r.Module + ":" + r.Export, Driver: ComponentDriver, Runner: true, Series: slices.Clone(r.Series),
			File: r.File, Line: r.Line, Public: functions[r.Module+":"+r.Export].Public,
			Component: r.Component,
		}
		if m.Series == nil {
			m.Series = []string{}
		}
		m.Source, _ = src.function(r.File, r.Export, r.Line)
		taken[m.Name] = true
		out = append(out, m)
	}
	for _, f := range a.Functions {
		if taken[f.Path()] {
			continue
		}
		if m, ok := handWritten(f, src); ok {
			out = append(out, m)
		}
	}
	joinSeries(out)
	sort.SliceStable(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Name < b.Name
	})
	return out
}

func firstPositive(numbers ...int) int {
	for _, n := range numbers {
		if n > 0 {
			return n
		}
	}
	return 0
}

// joinSeries names migrations in series as they are named here, and tells
// each definition which runners hold it.
func joinSeries(all []Migration) {
	index := map[string]int{}
	for i, m := range all {
		index[m.Name] = i
	}
	for _, r := range all {
		for i, name := range r.Series {
			if !strings.Contains(name, ":") { // how Convex names a default export
				name += ":default"
				r.Series[i] = name
			}
			if i, ok := index[name]; r.Runner && ok && !slices.Contains(all[i].InSeries, r.Name) {
				all[i].InSeries = append(all[i].InSeries, r.Name)
			}
		}
	}
	for i := range all {
		sort.Strings(all[i].InSeries)
	}
}

var (
	migrationVerb   = regexp.MustCompile(`^(migrate|backfill|migration)([A-Z_0-9]|$)`)
	migrationSuffix = regexp.MustCompile(`(Migration|Backfill|_migration|_backfill)s?([Vv]?[0-9]+)?$`)
	migrationFolder = regexp.MustCompile(`^(migrations?|backfills?|migrate|data[-_]?migrations?)$`)
	migrationFile   = regexp.MustCompile(`(^|[a-z0-9]M|[a-z0-9][-_]m|^m)igrations?([-_]?[vV]?[0-9]+)?$|(^b|[a-z0-9]B|[-_]b)ackfills?([-_]?[vV]?[0-9]+)?$|^(migrate|backfill|migration)s?([A-Z_0-9-]|$)`)
	// onlyLooking are functions that read, and keepingBooks those that note how
	// migrations go.
	onlyLooking  = regexp.MustCompile(`^(get|list|count|check|verify|status|validate|audit|inspect|preview|test|assert|is|has|find|fetch|read|query|report|debug|log|print)([A-Z_0-9]|$)`)
	keepingBooks = regexp.MustCompile(`^(record|save|store|cancel|complete|finish|create|update|add|insert|upsert|set|mark|delete|remove|reset|log)(\w*)(Migration|Backfill)(s|Status|State|Progress|Record|Log|Run|Cursor|Complete|Completed|Done)?$|^(record|save|store|cancel)([A-Z_0-9]|$)`)
	perUser      = regexp.MustCompile(`\b(getUserIdentity|getAuthUserId|getCurrentUser\w*|requireUser\w*|requireAuth\w*|getAuthUser\w*)\b`)
)

// looksLikeMigration judges by names: the function's, and those of its file
// and folders. sure says that the function's own name says so.
func looksLikeMigration(module, export string) (looks, sure bool) {
	if onlyLooking.MatchString(export) || keepingBooks.MatchString(export) {
		return false, false
	}
	if migrationVerb.MatchString(export) || migrationSuffix.MatchString(export) {
		return true, true
	}
	return inMigrationFile(module), false
}

// inMigrationFile judges by the names of a module's file and folders.
func inMigrationFile(module string) bool {
	parts := strings.Split(module, "/")
	for _, folder := range parts[:len(parts)-1] {
		if migrationFolder.MatchString(folder) {
			return true
		}
	}
	return migrationFile.MatchString(parts[len(parts)-1])
}

// drivesComponent is a call that starts migrations of the package.
var drivesComponent = regexp.MustCompile(`\b(runToCompletion|runSerially|runOne|startMigration|startMigrationsSerially)\b`)

// Names of arguments, best first.
var (
	cursorArgs = []string{"cursor", "paginationOpts", "continueCursor", "startCursor", "pageCursor", "nextCursor", "pageToken", "pagination"}
	sizeArgs   = []string{"batchSize", "numItems", "pageSize", "limit", "size", "batch", "maxDocuments", "batchLimit", "chunkSize"}
	dryRunArgs = []string{"dryRun", "isDryRun", "dry_run", "dryrun", "dry", "simulate", "previewOnly"}
)

// handWritten recognises a migration written without a package: a mutation
// (or action) that can be called with nothing but a cursor, a size and a dry
// run switch. An action counts when it is internal, in a file of migrations
// and calls mutations. Functions that need anything else, or work for whoever is
// logged in, are ordinary ones.
func handWritten(f jsrun.Function, src *sources) (Migration, bool) {
	if f.Type != jsrun.Mutation && f.Type != jsrun.Action {
		return Migration{}, false
	}
	if isHelpersFunction(f) {
		return helpersMigration(f, src), true
	}
	looks, sure := looksLikeMigration(f.Module, f.Export)
	if !looks || f.Type == jsrun.Action && (f.Public || !inMigrationFile(f.Module)) {
		return Migration{}, false
	}
	m := Migration{Name: f.Path(), Series: []string{}, Public: f.Public, File: f.File, Action: f.Type == jsrun.Action}
	m.Source, m.Line = src.function(f.File, f.Export, f.Line)
	fields, typed := argFields(f.Args)
	if typed {
		m.CursorArg = pick(fields, cursorArgs, isCursor)
		m.SizeArg = pick(fields, sizeArgs, isNumber)
		m.DryRunArg = pick(fields, dryRunArgs, isBoolean)
		for _, field := range fields {
			if !field.Optional && field.Name != m.CursorArg && field.Name != m.SizeArg && field.Name != m.DryRunArg {
				return Migration{}, false
			}
		}
	} else {
		if !sure {
			return Migration{}, false // any arguments: nothing tells what it needs
		}
		m.CursorArg = mentioned(m.Source, cursorArgs)
		m.SizeArg = mentioned(m.Source, sizeArgs)
		m.DryRunArg = mentioned(m.Source, dryRunArgs)
	}
	if f.Type == jsrun.Action && (!strings.Contains(m.Source, "runMutation") || drivesComponent.MatchString(m.Source)) {
		return Migration{}, false // it drives migrations that are listed, or none
	}
	if f.Public && perUser.MatchString(m.Source) {
		return Migration{}, false
	}
	m.Table = queriedTable(m.Source)
	m.Continues = continuesItself(m.Source)
	m.Driver = OneshotDriver
	if m.CursorArg != "" && f.Type == jsrun.Mutation && !m.Continues {
		m.Driver = PagedDriver
	}
	if m.Driver == OneshotDriver {
		m.CursorArg = ""
	}
	return m, true
}

// argFields are the arguments that a function declares; typed is false when
// it declares none at all.
func argFields(args *schema.Validator) (fields []schema.Field, typed bool) {
	if args == nil || args.Kind != schema.Object {
		return nil, false
	}
	return args.Fields, true
}

// pick returns the first of names that is an argument of a fitting type.
func pick(fields []schema.Field, names []string, fits func(*schema.Validator) bool) string {
	for _, name := range names {
		for _, f := range fields {
			if f.Name == name && fits(f.Type) {
				return name
			}
		}
	}
	return ""
}

// handlerArgs is the second parameter of a handler, taken apart or typed.
var handlerArgs = regexp.MustCompile(`\(\s*_?\w+\s*(?::[^,()]*)?,\s*(?:\w+\s*:\s*)?\{([^{}]*)\}`)

// mentioned returns the first of names that the text uses as an argument.
func mentioned(source string, names []string) string {
	parameters := ""
	if found := handlerArgs.FindStringSubmatch(source); found != nil {
		parameters = found[1]
	}
	for _, name := range names {
		if regexp.MustCompile(`\bargs\??\.`+name+`\b`).MatchString(source) || regexp.MustCompile(`\b`+name+`\b`).MatchString(parameters) {
			return name
		}
	}
	return ""
}

func anyOf(v *schema.Validator, kinds ...schema.Kind) bool {
	if v.Kind == schema.Union {
		return slices.ContainsFunc(v.Members, func(m *schema.Validator) bool { return anyOf(m, kinds...) })
	}
	return slices.Contains(kinds, v.Kind)
}

func isCursor(v *schema.Validator) bool {
	return anyOf(v, schema.String, schema.ID, schema.Number, schema.Any, schema.Null) || v.Kind == schema.Object && v.Field("cursor") != nil
}
func isNumber(v *schema.Validator) bool  { return anyOf(v, schema.Number, schema.Any, schema.Bigint) }
func isBoolean(v *schema.Validator) bool { return anyOf(v, schema.Boolean, schema.Any) }

var schedules = regexp.MustCompile(`scheduler\s*\.\s*run(After|At)\b`)

// continuesItself reports whether a function schedules its own next batch:
// driving it page by page would run every batch twice.
func continuesItself(source string) bool { return schedules.MatchString(source) }

// isHelpersFunction recognises what makeMigration of convex-helpers makes, by
// its arguments.
func isHelpersFunction(f jsrun.Function) bool {
	fields, typed := argFields(f.Args)
	if !typed || f.Type != jsrun.Mutation || f.Public || len(fields) != 5 {
		return false
	}
	for _, name := range []string{"fn", "cursor", "batchSize", "next", "dryRun"} {
		if f.Args.Field(name) == nil {
			return false
		}
	}
	return true
}

func helpersMigration(f jsrun.Function, src *sources) Migration {
	m := Migration{Name: f.Path(), Driver: HelpersDriver, BatchSize: packageBatchSize, Series: []string{}, File: f.File, Public: f.Public}
	m.Source, m.Line = src.function(f.File, f.Export, f.Line)
	if found := tableField.FindStringSubmatch(m.Source); found != nil {
		m.Table = found[1]
	}
	if found := batchField.FindStringSubmatch(m.Source); found != nil {
		if n, err := strconv.Atoi(strings.ReplaceAll(found[1], "_", "")); err == nil && n > 0 {
			m.BatchSize = n
		}
	}
	m.CustomRange = strings.Contains(m.Source, "customRange")
	return m
}

// moduleOf is a module's path by its file, relative to the functions folder.
func moduleOf(file string) string { return strings.TrimSuffix(file, path.Ext(file)) }
