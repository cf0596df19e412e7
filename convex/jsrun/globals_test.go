package jsrun

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// checks runs expressions in a mutation and compares their JSON.
func checks(t *testing.T, want map[string]string) {
	t.Helper()
	var s strings.Builder
	names := make([]string, 0, len(want))
	for expr := range want {
		names = append(names, expr)
	}
	slices.Sort(names)
	s.WriteString("const message = async (f: any) => { try { return await f(); } catch (e: any) { return e.name + ': ' + e.message; } };\n")
	for i, expr := range names {
		s.WriteString("export const f" + string(rune('A'+i/26)) + string(rune('a'+i%26)) + " = mutation(async () => (" + expr + "));\n")
	}
	vm := opened(t, program(t, s.String()))
	for i, expr := range names {
		got, err := vm.Call(context.Background(), mutationCall("f"+string(rune('A'+i/26))+string(rune('a'+i%26))), &host{})
		if err != nil {
			t.Errorf("%s: %v", expr, err)
		} else if got != want[expr] {
			t.Errorf("%s\n got %s\nwant %s", expr, got, want[expr])
		}
	}
}

func TestTextAndBytes(t *testing.T) {
	checks(t, map[string]string{
		`[...new TextEncoder().encode("aé€𝄞\ud800")].join()`:                                                                                                                 `"97,195,169,226,130,172,240,157,132,158,239,191,189"`,
		`new TextDecoder().decode(new TextEncoder().encode("aé€𝄞"))`:                                                                                                         `"aé€𝄞"`,
		`new TextDecoder().decode(Uint8Array.of(0xef, 0xbb, 0xbf, 0x41, 0xff, 0xe2, 0x82))`:                                                                                  `"A` + "\ufffd\ufffd" + `"`,
		`message(() => new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.of(255)))`:                                                                                `"TypeError: The encoded data was not valid for encoding utf-8"`,
		`(() => { const d = new TextDecoder(); const b = new TextEncoder().encode("€"); return d.decode(b.subarray(0, 1), { stream: true }) + d.decode(b.subarray(1)); })()`: `"€"`,
		`btoa("hé") + " " + atob(" aGk= ")`:                                                                                                                                  `"aOk= hi"`,
		`message(() => btoa("€")).then((m: string) => m.slice(0, 21))`:                                                                                                       `"InvalidCharacterError"`,
		`message(() => atob("a*")).then((m: string) => m.slice(0, 21))`:                                                                                                      `"InvalidCharacterError"`,
		`(() => { const a: any = { d: new Date(5), m: new Map([[1, { x: 1n }]]), s: new Set([1]), u: Uint8Array.of(1, 2), r: /a/g }; a.self = a; const b = structuredClone(a); return [b !== a, b.self === b, b.d.getTime(), String(b.m.get(1).x), b.s.has(1), b.u.join(), String(b.r)]; })()`: `[true,true,5,"1",true,"1,2","/a/g"]`,
		`message(() => structuredClone(() => 1)).then((m: string) => m.slice(0, 14))`: `"DataCloneError"`,
	})
}

func TestCrypto(t *testing.T) {
	checks(t, map[string]string{
		`crypto.subtle.digest("SHA-256", new TextEncoder().encode("abc")).then((b) => new Uint8Array(b).toHex())`:         `"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"`,
		`crypto.subtle.digest({ name: "sha-1" }, new TextEncoder().encode("abc")).then((b) => new Uint8Array(b).toHex())`: `"a9993e364706816aba3e25717850c26c9cd0d89d"`,
		`(async () => { const k = await crypto.subtle.importKey("raw", new TextEncoder().encode("Jefe"), { name: "HMAC", hash: "SHA-256" }, false, ["sign", "verify"]); const d = new TextEncoder().encode("what do ya want for nothing?"); const s = await crypto.subtle.sign("HMAC", k, d); return [new Uint8Array(s).toHex(), await crypto.subtle.verify("HMAC", k, s, d)]; })()`: `["5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",true]`,
		`/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(crypto.randomUUID())`:                         `true`,
		`message(() => crypto.subtle.generateKey({ name: "HMAC", hash: "SHA-256" }, true, [])).then((m: string) => m.slice(0, 57))`: `"Error: Can't use crypto.subtle.generateKey() in queries a"`,
		`crypto.getRandomValues(new Uint8Array(4)).some((b) => b !== 0)`:                                                            `true`,
	})
}

func TestURL(t *testing.T) {
	checks(t, map[string]string{
		`new URL("HTTPS://User:p%40ss@Example.COM:443/a/./b/../c d?q=ü&x#h y").href`:                                                                 `"https://User:p%40ss@example.com/a/c%20d?q=%C3%BC&x#h%20y"`,
		`["../x?y#z", "/r", "//o.test/p", "?q", "#f", "", "http:rel", "https://n.test"].map((r) => new URL(r, "http://h.test:8080/a/b/c?d#e").href)`: `["http://h.test:8080/a/x?y#z","http://h.test:8080/r","http://o.test/p","http://h.test:8080/a/b/c?q","http://h.test:8080/a/b/c?d#f","http://h.test:8080/a/b/c?d","http://h.test:8080/a/b/rel","https://n.test/"]`,
		`["mailto:a@b.c", "data:text/plain,hi", "file:///a/b", "convex:x/y"].map((u) => new URL(u).href)`:                                            `["mailto:a@b.c","data:text/plain,hi","file:///a/b","convex:x/y"]`,
		`["", "nope", "http://", "http://a b/", "http://h:99999/"].map((u) => URL.canParse(u))`:                                                      `[false,false,false,false,false]`,
		`new URL("http://0x7f.1/").hostname`: `"127.0.0.1"`,
		`(() => { const u = new URL("https://h.test/p?a=1&b=2&a=3"); u.searchParams.append("c", "x y&"); u.searchParams.delete("b"); u.hash = "z"; u.port = "81"; u.pathname = "q"; return [u.href, u.searchParams.getAll("a"), u.origin, u.host]; })()`: `["https://h.test:81/q?a=1&a=3&c=x+y%26#z",["1","3"],"https://h.test:81","h.test:81"]`,
		`new URLSearchParams({ a: "1", "b c": "é" }).toString() + [...new URLSearchParams("?x=%zz&y+=+")].join("|")`:                                                                                                                                     `"a=1&b+c=%C3%A9x,%zz|y , "`,
		`message(() => new URL("x")).then((m: string) => m)`: `"TypeError: Invalid URL"`,
	})
}

func TestWebClasses(t *testing.T) {
	checks(t, map[string]string{
		`(async () => { const r = new Request("https://h.test/x", { method: "post", body: JSON.stringify({ a: 1 }), headers: { "X-A": "1" } }); return [r.method, r.url, r.headers.get("x-a"), await r.json(), r.bodyUsed]; })()`: `["POST","https://h.test/x","1",{"a":1},true]`,
		`(async () => { const r = Response.json({ b: 2 }, { status: 201 }); return [r.ok, r.status, r.headers.get("content-type"), await r.clone().text()]; })()`:                                                                 `[true,201,"application/json","{\"b\":2}"]`,
		`(async () => { const b = new Blob(["ab", Uint8Array.of(99)], { type: "text/plain" }); return [b.size, b.type, await b.text(), await b.slice(1).text()]; })()`:                                                            `[3,"text/plain","abc","bc"]`,
		`(() => { const seen: string[] = []; const c = new AbortController(); c.signal.addEventListener("abort", () => seen.push("on")); c.abort(); c.abort(); return [seen, c.signal.aborted, c.signal.reason.name]; })()`:       `[["on"],true,"AbortError"]`,
		`message(() => fetch("https://h.test")).then((m: string) => m)`:                                                                                            `"Error: Can't use fetch() in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details."`,
		`message(() => setTimeout(() => {}, 1)).then((m: string) => m)`:                                                                                            `"Error: Can't use setTimeout in queries and mutations. Please consider using an action. See https://docs.convex.dev/functions/actions for more details."`,
		`[typeof queueMicrotask, typeof self, typeof WeakRef, typeof ReadableStream, typeof AsyncLocalStorage, typeof File, typeof FormData, typeof DOMException]`: `["function","object","function","function","function","function","function","function"]`,
	})
}

func TestIntl(t *testing.T) {
	checks(t, map[string]string{
		`new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" }).format(1234.5)`: `"$1,234.50"`,
		`(1234567.891).toLocaleString()`: `"1,234,567.891"`,
		`(12345n).toLocaleString()`:      `"12,345"`,
		`new Date(0).toLocaleDateString("en-US", { timeZone: "America/New_York" })`: `"12/31/1969"`,
		`[new Date(0).toLocaleString(), new Date(0).toLocaleTimeString("en-US")]`:   `["1/1/1970, 12:00:00 AM","12:00:00 AM"]`,
	})
}

func TestTimeStandsStillAndIsUTC(t *testing.T) {
	t.Setenv("TZ", "America/New_York")
	checks(t, map[string]string{
		`[Date.now(), new Date().getTime(), Date.name, new Date().constructor === Date, new Date() instanceof Date]`:           `[1700000000123,1700000000123,"Date",true,true]`,
		`[new Date(2020, 0, 2, 3).toISOString(), new Date("2020-01-02T03:00").toISOString(), new Date(0).getTimezoneOffset()]`: `["2020-01-02T03:00:00.000Z","2020-01-02T03:00:00.000Z",0]`,
		`typeof Date()`: `"string"`,
		`(() => { class D extends Date { more() { return 1; } } const d = new D(5); return [d.getTime(), d.more(), d instanceof Date]; })()`: `[5,1,true]`,
	})
}

func TestChanceIsSeeded(t *testing.T) {
	p := program(t, `export const f = mutation(() => [Math.random(), crypto.randomUUID(), Math.random()]);`)
	vm := opened(t, p)
	get := func(seed uint64) string {
		c := mutationCall("f")
		c.Seed = seed
		got, err := vm.Call(context.Background(), c, &host{})
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if a, b := get(7), get(7); a != b {
		t.Errorf("the same seed gave %s and %s", a, b)
	}
	if a, b := get(7), get(8); a == b {
		t.Errorf("two seeds gave the same: %s", a)
	}
}

// The wanted texts are object-inspect's own, with indent 2.
func TestConsole(t *testing.T) {
	p := program(t, `
class Point { constructor(public x: number) {} }
export const f = mutation(() => {
  console.log("it's\n", 1, -0, 10n, null, undefined, true, Symbol("s"));
  console.info({ a: 1, "b-c": [1, 2], deep: { list: [{ x: 1 }] }, none: {}, empty: [] });
  console.warn(new Map([["k", { v: 1 }]]), new Set([1, "2"]), new Map());
  console.error(new Error("bad"), new Date(0), /x/g);
  console.debug(new Point(3), Object.create(null), function named() {}, () => 1);
  const loop: any = { name: "loop" }; loop.self = loop;
  console.log(loop, { a: { b: { c: { d: { e: { f: 1 } } } } } });
});`)
	h := &host{}
	if _, err := runOnce(t, p, "f", h); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"LOG", `'it\'s\n'`, "1", "-0", "10n", "null", "undefined", "true", "Symbol(s)",
		"INFO", "{\n  a: 1,\n  'b-c': [ 1, 2 ],\n  deep: {\n    list: [\n      {\n        x: 1\n      }\n    ]\n  },\n  none: {},\n  empty: []\n}",
		"WARN", "Map (1) {\n  'k' => {\n    v: 1\n  }\n}", "Set (2) {\n  1,\n  '2'\n}", "Map (0) {}",
		"ERROR", "[Error: bad]", "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time)", "/x/g",
		"DEBUG", "Point {\n  x: 3\n}", "[Object: null prototype] {}", "[Function: named]", "[Function (anonymous)]",
		"LOG", "{\n  name: 'loop',\n  self: [Circular]\n}",
		"{\n  a: {\n    b: {\n      c: {\n        d: {\n          e: [Object]\n        }\n      }\n    }\n  }\n}",
	}
	got := h.logged()
	for i := range max(len(got), len(want)) {
		g, w := "", ""
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("text %d:\n got %q\nwant %q", i, g, w)
		}
	}
}

func TestSandbox(t *testing.T) {
	t.Setenv("STRAIT_SECRET", "secret")
	checks(t, map[string]string{
		`[typeof (globalThis as any).require, typeof (globalThis as any).std, typeof (globalThis as any).os, typeof (globalThis as any).Deno, typeof (globalThis as any).scriptArgs, typeof (globalThis as any).print]`: `["undefined","undefined","undefined","undefined","undefined","undefined"]`,
		`Object.keys(process.env)`: `["GIVEN"]`,
		`Object.getOwnPropertyNames(globalThis).filter((n) => n.startsWith("__host"))`: `[]`,
		`message(() => eval("1"))`:                                   `"EvalError: Code generation from strings disallowed for this context"`,
		`message(() => (0, eval)("1"))`:                              `"EvalError: Code generation from strings disallowed for this context"`,
		`message(() => new Function("return 1")())`:                  `"EvalError: Code generation from strings disallowed for this context"`,
		`message(() => (() => {}).constructor("return 1")())`:        `"EvalError: Code generation from strings disallowed for this context"`,
		`message(() => (async () => {}).constructor("return 1")())`:  `"EvalError: Code generation from strings disallowed for this context"`,
		`message(() => (function* () {}).constructor("return 1")())`: `"EvalError: Code generation from strings disallowed for this context"`,
		`[(() => 1) instanceof Function, (async () => {}) instanceof Function, Function.prototype === Object.getPrototypeOf(() => 1)]`:        `[true,true,true]`,
		`message(async () => { const name = "/etc/passwd"; return await import(name); }).then((m: string) => m.startsWith("ReferenceError"))`: `true`,
		`message(async () => { const name = "./lib.ts"; return await import(name); }).then((m: string) => m.startsWith("ReferenceError"))`:    `true`,
	})
}

func TestImportTimeRules(t *testing.T) {
	p, _ := bundled(t, project(t, map[string]string{
		"convex/lib.ts":   libSource,
		"convex/sync.ts":  `import { syscall } from "./lib"; export const x = syscall("1.0/queryStream", {});`,
		"convex/fetch.ts": `fetch("https://h.test").catch(() => {}); setTimeout(() => {}, 1);` + "\nexport const x = 1;",
		"convex/date.ts":  `export const x = Date.now() + Math.random();`,
	}))
	a, err := p.Analyze(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	wantProblem(t, a.Problems, func(p Problem) bool {
		return strings.Contains(p.Message, "Can't use database at import time") && strings.Contains(p.Message, "convex/sync.ts")
	})
	wantProblem(t, a.Problems, func(p Problem) bool {
		return p.File == "convex/fetch.ts" && strings.Contains(p.Message, "setTimeout unsupported at import time")
	})
	if a.Exports["date"]["x"] != "number" {
		t.Errorf("date.ts did not load: %+v", a.Exports)
	}
}

func TestPerCallStateIsReset(t *testing.T) {
	p := program(t, `
export const leave = mutation(async () => { Promise.reject(new Error("left behind")); ask("1.0/later", {}); throw new Error("first"); });
export const next = mutation(async () => [Date.now(), await ask("1.0/x", {})]);`)
	vm := opened(t, p)
	for range 3 {
		if _, err := vm.Call(context.Background(), mutationCall("leave"), &host{}); err == nil {
			t.Fatal("no error")
		}
		h := &host{}
		c := mutationCall("next")
		c.Now = time.UnixMilli(42)
		if got, err := vm.Call(context.Background(), c, h); err != nil || got != "[42,null]" || len(h.asked) != 1 {
			t.Fatalf("got %s, %v, asked %q", got, err, h.asked)
		}
	}
}
