// A Convex deployment whose functions are run by JavaScript that others wrote:
// convex-test with the unmodified migrations component, behind the HTTP routes
// and the sync messages that Strait uses. Strait's client is tested against it.
//
//   node server.mjs convex   serves the project in that folder on a free port,
//                            prints {"url","key"} and ends with its stdin
import { createServer } from "node:http";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";
import { WebSocketServer } from "ws";
import { host } from "./host.mjs";
import { Live } from "./sync.mjs";

const key = "twin|" + "0123456789abcdef".repeat(2);
const folder = resolve(process.argv[2]);
const modules = Object.fromEntries(
  readdirSync(folder)
    .filter((f) => f.endsWith(".js") && !f.startsWith("convex.config") && f !== "schema.js")
    .map((f) => [f.slice(0, -3), () => import(pathToFileURL(resolve(folder, f)).href)]),
);
const app = await host((await import(pathToFileURL(resolve(folder, "schema.js")).href)).default, modules);

const send = (res, status, body) => {
  res.writeHead(status, { "Content-Type": typeof body === "string" ? "text/plain" : "application/json" });
  res.end(typeof body === "string" ? body : JSON.stringify(body));
};
const refusal = (status, code, message) => Object.assign(new Error(message), { status, code });

/** The key of a request: 403 without one, 401 with another. */
function admin(header, inBody) {
  const given = inBody ?? (header ?? "").replace(/^convex /i, "");
  if (given === "") throw refusal(403, "BadDeployKey", "The provided deploy key was invalid for deployment 'twin'.");
  if (given !== key) throw refusal(401, "BadAdminKey", "The provided admin key was invalid for this instance");
}

async function readBody(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString() || "{}");
}

const answer = (r) =>
  r.failed
    ? { status: "error", errorMessage: r.message, ...(r.data !== undefined && { errorData: r.data }), logLines: r.lines }
    : { status: "success", value: r.value, logLines: r.lines };

const routes = {
  "GET /version": () => "convex-test",
  "GET /instance_name": () => "twin",
  "GET /api/check_admin_key": (req) => {
    admin(req.headers.authorization);
    return { success: true, allowedOps: [], isReadOnly: false };
  },
  "POST /api/query": async (req) => {
    const body = await readBody(req);
    admin(req.headers.authorization);
    return answer(await app.call("", body.path, body.args, "HttpApi"));
  },
  "POST /api/function": async (req) => {
    const body = await readBody(req);
    admin(req.headers.authorization);
    if (body.path.startsWith("_system/")) throw refusal(400, "BadRequest", `Could not find function for '${body.path}'.`);
    return answer(await app.call(body.componentPath ?? "", body.path, body.args, "HttpApi"));
  },
  "POST /api/run_test_function": async (req) => {
    const body = await readBody(req);
    admin("", body.adminKey);
    return answer(await app.inline(body.bundle.source, body.args));
  },
  "GET /api/stream_function_logs": async (req, url) => {
    admin(req.headers.authorization);
    return await app.logs(Number(url.searchParams.get("cursor") ?? 0));
  },
};

const server = createServer(async (req, res) => {
  const url = new URL(req.url, "http://twin");
  try {
    const route = routes[`${req.method} ${url.pathname}`];
    if (!route) throw refusal(404, "NotFound", `no route ${req.method} ${url.pathname}`);
    send(res, 200, await route(req, url));
  } catch (e) {
    send(res, e.status ?? 500, { code: e.code ?? "InternalServerError", message: e.message });
  }
});
new WebSocketServer({ server }).on("connection", (ws) => new Live(app, ws, key));

server.listen(0, "127.0.0.1");
await once(server, "listening");
console.log(JSON.stringify({ url: `http://127.0.0.1:${server.address().port}`, key }));
process.stdin.resume().on("end", () => process.exit(0)); // the test that started it is gone
