package plan

import "strait/model/schema"

func order(in Input, p Plan) []Stage { return nil }

func merge(in Input) Merge { return Merge{} }

func widenedEverywhere(in Input) *schema.Schema { return nil }
