package plan

func advise(in Input, p Plan) []Advice { return nil }
