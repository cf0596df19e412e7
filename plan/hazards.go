package plan

func hazards(in Input, p Plan) []Hazard { return nil }
