package ui

import (
	"strait/convex/fleet"
	"strait/plan"
)

// howTo says what to do where Strait does not deploy.
func (m Root) howTo(act plan.Action, f focus) ask {
	a := ask{kind: askHow, prod: f.env.Protected, shell: "npx convex deploy", cmd: fleet.Command{Action: act, Env: f.env.Name}}
	a.facts = [][2]string{{"target", targetOf(f.env)}}
	if act == plan.ActWiden {
		a.title = "Widen " + f.env.Name + " with the Convex CLI"
		a.notes = []string{
			"strait.toml names no command that deploys to it. Put the widened schema into " + m.schemaFile() + ":",
			"  " + m.d.verb + " plan --widened --env " + shellWord(f.env.Name),
			"commit it with the code that reads and writes both shapes, then deploy with " + f.env.Name + "'s key in CONVEX_DEPLOY_KEY:",
			"  npx convex deploy",
			"The screen ticks widen as soon as the deployment accepts the new shape.",
			`deploy = "npx convex deploy" in strait.toml lets Strait run it from here.`,
		}
		return a
	}
	a.title = "Narrow " + f.env.Name + " with the Convex CLI"
	a.facts = append(a.facts, [2]string{"census", censusLine(m.now, f.env)})
	a.notes = []string{
		"strait.toml names no command that deploys to it. Once the census is zero, deploy the target in " + m.schemaFile() + " with " + f.env.Name + "'s key in CONVEX_DEPLOY_KEY:",
		"  npx convex deploy",
		"Convex refuses it while a single document does not fit.",
		`deploy = "npx convex deploy" in strait.toml lets Strait run it from here.`,
	}
	return a
}

func (m Root) schemaFile() string {
	if t := m.snap.Project.Target; t != "" {
		return t
	}
	return "convex/schema.ts"
}
