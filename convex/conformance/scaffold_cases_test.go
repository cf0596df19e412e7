package conformance

// scaffoldCase is a kind of change: the tables before and after, as
// TypeScript, and what a person chooses where the plan cannot: each takes the
// place of a throw of TODO, in order.
type scaffoldCase struct {
	name, before, after string
	todo                []string
	documents           map[string][]string // further documents, as JSON
	undeclared          bool                // the table is new and holds documents
}

var scaffoldCases = []scaffoldCase{
	{
		name:   "required field",
		before: `teams: defineTable({name: v.string()})`,
		after:  `teams: defineTable({name: v.string(), plan: v.union(v.literal("free"), v.literal("studio"))})`,
		todo:   []string{`return "free";`},
	},
	{
		name:   "required field with a neutral value",
		before: `teams: defineTable({name: v.string()})`,
		after:  `teams: defineTable({name: v.string(), tags: v.array(v.string()), extra: v.record(v.string(), v.number()), parent: v.union(v.null(), v.id("teams")), version: v.literal(2)})`,
	},
	{
		name:   "required object",
		before: `teams: defineTable({name: v.string()})`,
		after:  `teams: defineTable({name: v.string(), limits: v.object({seats: v.number(), flags: v.array(v.string())}), empty: v.object({list: v.array(v.any()), more: v.optional(v.string())})})`,
		todo:   []string{`return { seats: 3, flags: [] };`},
	},
	{
		name:   "optional becomes required, with an index",
		before: `users: defineTable({role: v.optional(v.string()), at: v.optional(v.union(v.null(), v.number()))}).index("by_role", ["role"])`,
		after:  `users: defineTable({role: v.string(), at: v.union(v.null(), v.number())}).index("by_role", ["role"])`,
		todo:   []string{`return "member";`},
	},
	{
		name:   "field removed",
		before: `users: defineTable({name: v.string(), avatar: v.string(), old: v.optional(v.object({a: v.number()}))})`,
		after:  `users: defineTable({name: v.string()})`,
	},
	{
		name:   "field renamed",
		before: `users: defineTable({userName: v.string(), n: v.number()})`,
		after:  `users: defineTable({name: v.string(), n: v.number()})`,
		todo:   []string{`return "";`},
	},
	{
		name:   "nested field removed",
		before: `users: defineTable({profile: v.optional(v.object({zip: v.optional(v.string()), city: v.string()})), name: v.string()})`,
		after:  `users: defineTable({profile: v.optional(v.object({city: v.string()})), name: v.string()})`,
	},
	{
		name:   "nested field required",
		before: `users: defineTable({profile: v.object({city: v.string(), home: v.optional(v.object({street: v.string()}))})})`,
		after:  `users: defineTable({profile: v.object({city: v.string(), home: v.optional(v.object({street: v.string(), number: v.number()})), links: v.array(v.string())})})`,
		todo:   []string{`return 1;`},
	},
	{
		name:   "nested under a null",
		before: `users: defineTable({profile: v.union(v.null(), v.object({age: v.string()}))})`,
		after:  `users: defineTable({profile: v.union(v.null(), v.object({age: v.number()}))})`,
		todo:   []string{`return 0;`},
	},
	{
		name:   "object moves to a table",
		before: `users: defineTable({name: v.string(), settings: v.optional(v.object({theme: v.string(), digest: v.boolean(), language: v.optional(v.string())}))})`,
		after: `users: defineTable({name: v.string()}),
			preferences: defineTable({userId: v.id("users"), theme: v.string(), digest: v.boolean(), language: v.string(), tags: v.array(v.string())}).index("by_user", ["userId"])`,
		todo: []string{`return "en";`},
	},
	{
		name:   "object moves to a table without an index",
		before: `users: defineTable({name: v.string(), settings: v.object({theme: v.string()})})`,
		after:  `users: defineTable({name: v.string()}), preferences: defineTable({userId: v.id("users"), theme: v.string()})`,
	},
	{
		name:   "object taken apart",
		before: `users: defineTable({name: v.string(), address: v.optional(v.object({city: v.string(), zip: v.optional(v.string())}))})`,
		after:  `users: defineTable({name: v.string(), city: v.string(), zip: v.union(v.null(), v.string())})`,
		todo:   []string{`return "nowhere";`},
	},
	{
		name:   "fields put together",
		before: `users: defineTable({name: v.string(), city: v.string(), zip: v.optional(v.string())})`,
		after:  `users: defineTable({name: v.string(), address: v.object({city: v.string(), zip: v.optional(v.string())})})`,
		todo:   []string{`return "nowhere";`},
	},
	{
		name:      "list of texts to list of literals",
		before:    `users: defineTable({roles: v.array(v.string()), rights: v.record(v.string(), v.number())})`,
		after:     `users: defineTable({roles: v.array(v.union(v.literal("a"), v.literal("b"))), rights: v.record(v.string(), v.union(v.literal(1), v.literal(2)))})`,
		todo:      []string{`return 1;`, `return "a";`},
		documents: map[string][]string{"users": {`{"roles":["a","c"],"rights":{"x":1,"y":3}}`}},
	},
	{
		name:   "number to string",
		before: `orders: defineTable({code: v.number(), big: v.int64(), paid: v.optional(v.boolean())})`,
		after:  `orders: defineTable({code: v.string(), big: v.string(), paid: v.optional(v.string())})`,
	},
	{
		name:   "string to number",
		before: `orders: defineTable({code: v.string(), rank: v.optional(v.string())})`,
		after:  `orders: defineTable({code: v.number(), rank: v.optional(v.number())})`,
		todo:   []string{`return 0;`, `return -1;`},
	},
	{
		name:   "number or string to string",
		before: `orders: defineTable({code: v.union(v.number(), v.string())})`,
		after:  `orders: defineTable({code: v.string()})`,
	},
	{
		name:   "number to integer and back",
		before: `orders: defineTable({a: v.number(), b: v.int64(), c: v.boolean()})`,
		after:  `orders: defineTable({a: v.int64(), b: v.number(), c: v.number()})`,
		todo:   []string{`return 0n;`, `return value;`},
	},
	{
		name:   "boolean to literals",
		before: `products: defineTable({listing: v.boolean(), kind: v.optional(v.boolean())})`,
		after:  `products: defineTable({listing: v.union(v.literal("live"), v.literal("draft")), kind: v.optional(v.union(v.literal("a"), v.literal("b")))})`,
		todo:   []string{`return "a";`, `return "b";`, `return "live";`, `return "draft";`},
	},
	{
		name:   "literals shrunk, with an index",
		before: `orders: defineTable({status: v.union(v.literal("cart"), v.literal("open"), v.literal("paid"))}).index("by_status", ["status"])`,
		after:  `orders: defineTable({status: v.union(v.literal("open"), v.literal("paid"))}).index("by_status", ["status"])`,
		todo:   []string{`return "open";`},
	},
	{
		name:   "literals changed",
		before: `orders: defineTable({status: v.union(v.literal("cart"), v.literal("gone"), v.literal("open"))})`,
		after:  `orders: defineTable({status: v.union(v.literal("open"), v.literal("paid"))})`,
		todo:   []string{`return "open";`, `return "paid";`},
	},
	{
		name:   "string to literals",
		before: `orders: defineTable({status: v.string(), n: v.number(), only: v.optional(v.string())})`,
		after:  `orders: defineTable({status: v.union(v.literal("open"), v.literal("paid")), n: v.union(v.literal(1), v.literal(2)), only: v.optional(v.literal("x"))})`,
		todo:   []string{`return 1;`, `return "open";`},
	},
	{
		name: "id points elsewhere, with a link",
		before: `orgs: defineTable({name: v.string()}), teams: defineTable({orgId: v.id("orgs")}).index("by_org", ["orgId"]),
			users: defineTable({home: v.id("orgs")})`,
		after: `orgs: defineTable({name: v.string()}), teams: defineTable({orgId: v.id("orgs")}).index("by_org", ["orgId"]),
			users: defineTable({home: v.id("teams")})`,
		todo: []string{`return (await ctx.db.query("teams").first())!._id;`},
	},
	{
		name: "ids in a list and a record point elsewhere",
		before: `orgs: defineTable({name: v.string()}), teams: defineTable({name: v.string()}),
			users: defineTable({homes: v.array(v.id("orgs")), roles: v.record(v.string(), v.id("orgs")), one: v.optional(v.union(v.null(), v.id("orgs")))})`,
		after: `orgs: defineTable({name: v.string()}), teams: defineTable({name: v.string()}),
			users: defineTable({homes: v.array(v.id("teams")), roles: v.record(v.string(), v.id("teams")), one: v.optional(v.union(v.null(), v.id("teams")))})`,
		todo: []string{
			`return (await ctx.db.query("teams").first())!._id;`, `return (await ctx.db.query("teams").first())!._id;`, `return (await ctx.db.query("teams").first())!._id;`,
		},
	},
	{
		name:   "string to id",
		before: `teams: defineTable({name: v.string()}), users: defineTable({team: v.string()})`,
		after:  `teams: defineTable({name: v.string()}), users: defineTable({team: v.union(v.null(), v.id("teams"))})`,
		todo:   []string{`return null;`},
	},
	{
		name:   "null no longer taken",
		before: `users: defineTable({a: v.union(v.null(), v.string()), b: v.optional(v.union(v.null(), v.array(v.string())))})`,
		after:  `users: defineTable({a: v.string(), b: v.optional(v.array(v.string()))})`,
		todo:   []string{`return "";`},
	},
	{
		name:   "elements of a list",
		before: `users: defineTable({tags: v.array(v.union(v.number(), v.null(), v.string())), points: v.optional(v.array(v.object({x: v.number(), label: v.optional(v.string())})))})`,
		after:  `users: defineTable({tags: v.array(v.string()), points: v.optional(v.array(v.object({x: v.string()})))})`,
		todo:   []string{`return "";`},
	},
	{
		name:   "values of a record",
		before: `users: defineTable({scores: v.record(v.string(), v.union(v.string(), v.number())), opts: v.record(v.id("users"), v.object({on: v.boolean()}))})`,
		after:  `users: defineTable({scores: v.record(v.string(), v.number()), opts: v.record(v.id("users"), v.object({on: v.boolean(), since: v.union(v.null(), v.number())}))})`,
		todo:   []string{`return 0;`},
	},
	{
		name:      "keys of a record",
		before:    `teams: defineTable({n: v.number()}), users: defineTable({byTeam: v.record(v.string(), v.number())})`,
		after:     `teams: defineTable({n: v.number()}), users: defineTable({byTeam: v.record(v.id("teams"), v.number())})`,
		todo:      []string{`return (await ctx.db.query("teams").first())!._id;`},
		documents: map[string][]string{"users": {`{"byTeam":{}}`}},
	},
	{
		name:   "scalar to list",
		before: `users: defineTable({mail: v.string(), scopes: v.optional(v.union(v.string(), v.array(v.string())))})`,
		after:  `users: defineTable({mail: v.array(v.string()), scopes: v.optional(v.array(v.string()))})`,
	},
	{
		name:   "one kind of a nested union",
		before: `posts: defineTable({body: v.union(v.object({kind: v.literal("text"), text: v.string(), size: v.optional(v.number())}), v.object({kind: v.literal("image"), url: v.string()}))})`,
		after:  `posts: defineTable({body: v.union(v.object({kind: v.literal("text"), text: v.string(), size: v.number()}), v.object({kind: v.literal("image"), url: v.string()}))})`,
		todo:   []string{`return 0;`},
	},
	{
		name:   "member of a nested union removed",
		before: `posts: defineTable({body: v.union(v.object({kind: v.literal("text"), text: v.string()}), v.object({kind: v.literal("image"), url: v.string()}), v.null())})`,
		after:  `posts: defineTable({body: v.union(v.object({kind: v.literal("text"), text: v.string()}), v.null())})`,
		todo:   []string{`return null;`},
	},
	{
		name:   "objects that no field tells apart",
		before: `posts: defineTable({body: v.union(v.object({a: v.string()}), v.object({b: v.number()}), v.object({c: v.id("posts"), d: v.optional(v.array(v.bytes()))}))})`,
		after:  `posts: defineTable({body: v.union(v.object({a: v.string()}), v.object({c: v.id("posts"), d: v.optional(v.array(v.bytes()))}))})`,
		todo:   []string{`return { a: "" };`},
	},
	{
		name:   "documents of several kinds",
		before: `events: defineTable(v.union(v.object({type: v.literal("click"), x: v.string()}), v.object({type: v.literal("key"), code: v.number(), old: v.optional(v.boolean())})))`,
		after:  `events: defineTable(v.union(v.object({type: v.literal("click"), x: v.number()}), v.object({type: v.literal("key"), code: v.number()})))`,
		todo:   []string{`return 0;`},
	},
	{
		name:   "a kind of document removed",
		before: `events: defineTable(v.union(v.object({type: v.literal("click"), x: v.number()}), v.object({type: v.literal("key"), code: v.number()})))`,
		after:  `events: defineTable(v.union(v.object({type: v.literal("click"), x: v.number()})))`,
		todo:   []string{`return ctx.db.delete(doc._id);`},
	},
	{
		name:      "any gets a type",
		before:    `users: defineTable({meta: v.any(), list: v.optional(v.any())})`,
		after:     `users: defineTable({meta: v.object({a: v.optional(v.string()), tags: v.array(v.string())}), list: v.optional(v.array(v.record(v.string(), v.number())))})`,
		todo:      []string{`return [];`, `return { tags: [] };`},
		documents: map[string][]string{"users": {`{"meta":{"tags":["x"]},"list":[{"a":1}]}`, `{"meta":{"tags":[1]},"list":"no"}`, `{"meta":{"tags":[],"b":1}}`}},
	},
	{
		name:       "table declared that holds documents",
		before:     `other: defineTable({n: v.number()})`,
		after:      `other: defineTable({n: v.number()}), users: defineTable({name: v.string(), at: v.optional(v.number())})`,
		todo:       []string{`return ctx.db.replace(doc._id, { name: "unknown" });`},
		documents:  map[string][]string{"users": {`{"name":1}`, `{"name":"x","more":true}`, `{"name":"y","at":3}`}},
		undeclared: true,
	},
	{
		name:   "names that are words of the language",
		before: `users: defineTable({class: v.string(), default: v.optional(v.object({new: v.number()})), item: v.array(v.object({doc: v.number(), item: v.array(v.number())}))})`,
		after:  `users: defineTable({class: v.number(), default: v.optional(v.object({new: v.string(), delete: v.array(v.string())})), item: v.array(v.object({doc: v.string(), item: v.array(v.string())})), await: v.null()})`,
		todo:   []string{`return 0;`},
	},
	{
		name:   "many changes of one table",
		before: `users: defineTable({a: v.number(), b: v.optional(v.string()), c: v.object({d: v.string(), e: v.number()}), f: v.string()})`,
		after:  `users: defineTable({a: v.string(), b: v.string(), c: v.object({d: v.array(v.string()), g: v.null()})})`,
		todo:   []string{`return "";`},
	},
}
