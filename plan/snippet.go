package plan

func (a *adviser) snippets(s *situation) []Snippet { return []Snippet{} }
