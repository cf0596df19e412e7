package local

import (
	"encoding/json"
	"errors"
	"fmt"

	"strait/model/value"
)

// The dashboard's mutations (6.2), with which an operator repairs data with
// nothing but an admin key. They obey the schema.

const (
	maxAddDocuments    = 4096
	maxDeleteDocuments = 4096

	// undefinedPlaceholder begins the text that stands for "no such field"
	// where undefined cannot be sent (6.2.1).
	undefinedPlaceholder = "__CONVEX_PLACEHOLDER_undefined_"
)

var success = map[string]bool{"success": true}

func refusal(format string, args ...any) any {
	return map[string]any{"success": false, "error": fmt.Sprintf(format, args...)}
}

// update runs fn in one transaction; a failure is a ConvexError of its text,
// as in Convex.
func (c *systemCall) update(fn func(*Writer) error) (any, error) {
	ts, err := c.d.Update(c.ctx, c.component, fn)
	if err != nil {
		var shown *FunctionError
		text := err.Error()
		if errors.As(err, &shown) {
			text = shown.Message
		}
		data, _ := json.Marshal(text) // a string always marshals
		return nil, &FunctionError{Message: "Uncaught ConvexError: " + text, Data: data}
	}
	c.ts = ts
	return success, nil
}

func addDocuments(c *systemCall) (any, error) {
	table, err := c.text("table")
	if err != nil {
		return nil, err
	}
	docs, ok := fieldOf(c.args, "documents").(value.Array)
	if !ok {
		return nil, &argumentError{"Object is missing the required field `documents`."}
	}
	if len(docs) > maxAddDocuments {
		return refusal("Can’t import more than %d documents at once.", maxAddDocuments), nil
	}
	return c.update(func(w *Writer) error {
		for _, d := range docs {
			doc, ok := d.(value.Object)
			if !ok {
				return fmt.Errorf("a document is no object: %s", value.Display(d))
			}
			if _, err := w.Insert(table, doc); err != nil {
				return err
			}
		}
		return nil
	})
}

func patchDocuments(c *systemCall) (any, error) {
	table, err := c.text("table")
	if err != nil {
		return nil, err
	}
	given, ok := fieldOf(c.args, "fields").(value.Object)
	if !ok {
		return nil, &argumentError{"Object is missing the required field `fields`."}
	}
	fields := make(value.Object, 0, len(given))
	for _, f := range given {
		if s, ok := f.Value.(string); ok && len(s) > len(undefinedPlaceholder) && s[:len(undefinedPlaceholder)] == undefinedPlaceholder {
			f.Value = value.Undefined{}
		}
		fields = append(fields, f)
	}
	var ids []string
	if list, some := c.args.Get("ids"); some {
		if ids, err = texts(list); err != nil {
			return nil, err
		}
	} else {
		for doc := range c.view.Scan(c.component, table, "", false) {
			ids = append(ids, doc.ID)
		}
	}
	return c.update(func(w *Writer) error {
		for _, id := range ids {
			if err := w.Patch(id, fields); err != nil {
				return err
			}
		}
		return nil
	})
}

func texts(v value.Value) ([]string, error) {
	list, _ := v.(value.Array)
	out := make([]string, 0, len(list))
	for _, item := range list {
		s, ok := item.(string)
		if !ok {
			return nil, &argumentError{"Value does not match validator.\nPath: .ids\nValue: " + value.Display(item) + "\nValidator: v.string()"}
		}
		out = append(out, s)
	}
	return out, nil
}

func replaceDocument(c *systemCall) (any, error) {
	id, err := c.text("id")
	if err != nil {
		return nil, err
	}
	doc, ok := fieldOf(c.args, "document").(value.Object)
	if !ok {
		return nil, &argumentError{"Object is missing the required field `document`."}
	}
	if _, there := c.view.Get(c.component, id); !there {
		return refusal("Document does not exist."), nil
	}
	return c.update(func(w *Writer) error { return w.Replace(id, doc) })
}

func deleteDocuments(c *systemCall) (any, error) {
	list, ok := fieldOf(c.args, "toDelete").(value.Array)
	if !ok {
		return nil, &argumentError{"Object is missing the required field `toDelete`."}
	}
	if len(list) > maxDeleteDocuments {
		return refusal("You can't delete more than %d. Try selecting fewer documents instead..", maxDeleteDocuments), nil
	}
	return c.update(func(w *Writer) error {
		for _, item := range list {
			o, _ := item.(value.Object)
			id, _ := fieldOf(o, "id").(string)
			if err := w.Delete(id); err != nil {
				return err
			}
		}
		return nil
	})
}
