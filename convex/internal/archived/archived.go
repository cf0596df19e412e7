// Package archived gives tests the archives that they read. Only tests import
// it.
package archived

import (
	"bytes"

	"strait/convex/snapshot"
	"strait/model/value"
)

// New is an archive of some tables, opened.
func New(t interface{ Fatal(...any) }, tables map[snapshot.Table][]value.Object) *snapshot.Archive {
	var out bytes.Buffer
	if err := write(&out, tables); err != nil {
		t.Fatal(err)
	}
	a, err := snapshot.New(bytes.NewReader(out.Bytes()), int64(out.Len()), "test.zip")
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func write(out *bytes.Buffer, tables map[snapshot.Table][]value.Object) error {
	w, err := snapshot.NewWriter(out)
	if err != nil {
		return err
	}
	byComponent := map[string][]snapshot.Table{"": nil}
	for table := range tables {
		byComponent[table.Component] = append(byComponent[table.Component], table)
	}
	for component, list := range byComponent {
		if err := w.Tables(component, list); err != nil {
			return err
		}
		for _, table := range list {
			if err := w.Begin(component, table.Name); err != nil {
				return err
			}
			for _, doc := range tables[table] {
				if err := w.Write(doc); err != nil {
					return err
				}
			}
		}
	}
	return w.Close()
}
