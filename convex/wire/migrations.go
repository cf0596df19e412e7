package wire

import (
	"context"
	"fmt"
	"time"

	"strait/model/value"
)

// MigrationStatus is the status of one migration as the component tells it
// (13.1).
type MigrationStatus struct {
	Name        string
	Cursor      string // "" from the beginning, or done
	HasCursor   bool
	Processed   int64
	IsDone      bool
	Error       string
	State       string // inProgress success failed canceled unknown
	LatestStart time.Time
	LatestEnd   time.Time // zero: running, or not told
	BatchSize   int       // 0: not told
	Next        []string
}

// statusCall asks the migrations component at a path for statuses; names nil:
// the newest hundred.
func statusCall(component string, names []string) Call {
	args := value.NewObject(value.Field{Name: "limit", Value: float64(100)})
	if names != nil {
		list := make(value.Array, len(names))
		for i, n := range names {
			list[i] = n
		}
		args = value.NewObject(value.Field{Name: "names", Value: list})
	}
	return Call{component, "lib:getStatus", args}
}

// MigrationStatuses are the statuses of migrations of the component at a
// path, in the order of names; names nil: the newest hundred, oldest first.
func (c *Client) MigrationStatuses(ctx context.Context, component string, names []string) ([]MigrationStatus, error) {
	call := statusCall(component, names)
	r, err := c.Function(ctx, call)
	if err != nil {
		return nil, c.explain(call, err)
	}
	return c.readStatuses(r.Value, names)
}

// SubscribeMigrations keeps MigrationStatuses live; the rules of Subscribe hold.
func (c *Client) SubscribeMigrations(component string, names []string, fn func([]MigrationStatus, error)) (stop func()) {
	read := func(v value.Value) ([]MigrationStatus, error) { return c.readStatuses(v, names) }
	return subscribe(c, statusCall(component, names), read, fn)
}

func (c *Client) readStatuses(v value.Value, names []string) ([]MigrationStatus, error) {
	rows, ok := v.(value.Array)
	if !ok {
		return nil, c.odd("lib:getStatus", v)
	}
	byName := make(map[string]MigrationStatus, len(rows))
	out := make([]MigrationStatus, 0, len(rows))
	for _, row := range rows {
		s, err := ReadMigrationStatus(row)
		if err != nil {
			return nil, err
		}
		byName[s.Name] = s
		out = append(out, s)
	}
	if names == nil {
		return out, nil
	}
	out = out[:0]
	for _, name := range names { // the component answers in reverse (13.1)
		if s, ok := byName[name]; ok {
			out = append(out, s)
		}
	}
	return out, nil
}

// ReadMigrationStatus reads the component's migrationStatus, which lib:migrate
// and lib:cancel return as well.
func ReadMigrationStatus(v value.Value) (MigrationStatus, error) {
	o, ok := v.(value.Object)
	if !ok || text(o, "name") == "" {
		return MigrationStatus{}, fmt.Errorf("migration status: want an object with a name, got %s", value.Display(v))
	}
	s := MigrationStatus{
		Name: text(o, "name"), Processed: integer(o, "processed"), Error: text(o, "error"), State: text(o, "state"),
		LatestStart: moment(o, "latestStart"), LatestEnd: moment(o, "latestEnd"), BatchSize: int(integer(o, "batchSize")),
	}
	s.IsDone, _ = field(o, "isDone").(bool)
	s.Cursor, s.HasCursor = field(o, "cursor").(string)
	if next, ok := field(o, "next").(value.Array); ok {
		for _, n := range next {
			if name, ok := n.(string); ok {
				s.Next = append(s.Next, name)
			}
		}
	}
	return s, nil
}
