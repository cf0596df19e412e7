package plan

import "strait/model/schema"

func (a *adviser) scaffold(s *situation) *Snippet                    { return nil }
func (a *adviser) snippets(s *situation) []Snippet                   { return nil }
func (a *adviser) addSetUp(out []Advice)                             {}
func narrowAt(w, t *schema.Validator, rest string) *schema.Validator { return t }

type move struct{ table *schema.Table }

func (a *adviser) moveOf(s *situation) *move { return nil }

func (s *situation) renamedFrom() string { return "" }
