// Asks the official CLI's own code what it would select. Reads one line of JSON
// on stdin, {bundle, dotenv: [text…], cases: [{dir, home, env}…]}, and writes one:
// {dotenv: [{name: value}…], cases: [{…}…]}.
const Module = require("node:module");
const fs = require("node:fs");
const http = require("node:http");

async function main() {
  const input = JSON.parse(fs.readFileSync(0, "utf8"));
  // Stands for the provision host: says where the deployment of a key lives.
  const host = http.createServer((req, res) => {
    let body = "";
    req.on("data", (part) => (body += part));
    req.on("end", () => {
      res.setHeader("Content-Type", "application/json");
      if (req.url === "/api/deployment/url_for_key") {
        const key = JSON.parse(body).deployKey;
        return res.end(JSON.stringify("https://asked.example/" + encodeURIComponent(key.split("|")[0])));
      }
      res.end(JSON.stringify({ team: "t", project: "p", teamId: 1, projectId: 2, reference: null, isDefault: true }));
    });
  });
  await new Promise((ready) => host.listen(0, "127.0.0.1", ready));
  const provision = `http://127.0.0.1:${host.address().port}`;
  const cli = load(input.bundle, provision);
  const out = { dotenv: input.dotenv.map((text) => cli.dotenv.parse(text)), cases: [] };
  for (const c of input.cases) out.cases.push(await select(cli, c));
  host.close();
  process.stdout.write(JSON.stringify(out));
  process.exit(0);
}

// The bundle with its start taken off and its inside put on exports.
function load(path, provision) {
  let text = fs.readFileSync(path, "utf8");
  const dotenv = /var (\w+) = __commonJS\(\{\s*"[^"]*\/dotenv\/lib\/main\.js"/.exec(text)[1];
  if (!text.includes("\nvoid main();")) throw new Error("the bundle does not end as it used to");
  text = text.replace("\nvoid main();", `\nmodule.exports = { getDeploymentSelection, loadDeploymentConfig, dotenv: ${dotenv}(), init: () => init_utils?.() };`);
  process.env.CONVEX_PROVISION_HOST = provision;
  const m = new Module(path, null);
  m.filename = path;
  m.paths = Module._nodeModulePaths(require("node:path").dirname(path));
  m._compile(text, path);
  return m.exports;
}

async function select(cli, c) {
  for (const name of Object.keys(process.env)) delete process.env[name];
  Object.assign(process.env, { PATH: "/bin:/usr/bin", HOME: c.home }, c.env);
  process.chdir(c.dir);
  const ctx = {
    fs: { exists: fs.existsSync, readUtf8File: (p) => fs.readFileSync(p, "utf8"), stat: fs.statSync },
    crash: async ({ printedMessage }) => {
      throw Object.assign(new Error("crash"), { printed: printedMessage });
    },
    bigBrainAuth: () => null,
    registerCleanup() {},
    spinner: undefined,
  };
  try {
    const got = await cli.getDeploymentSelection(ctx, { implicitProd: true });
    const at = got.deploymentToActOn;
    switch (got.kind) {
      case "existingDeployment":
        return { kind: at.source, url: at.url, key: at.adminKey, name: at.deploymentFields?.deploymentName ?? "", type: at.deploymentFields?.deploymentType ?? "" };
      case "deploymentWithinProject":
        if (got.targetProject.kind !== "deploymentName") return { kind: got.targetProject.kind };
        return local(cli, ctx, got.targetProject.deploymentType === "local" ? "local" : "named", got.targetProject.deploymentName, got.targetProject.deploymentType ?? "");
      case "anonymous":
        return local(cli, ctx, "anonymous", got.deploymentName ?? "", "anonymous");
      default:
        return { kind: got.kind };
    }
  } catch (e) {
    if (e.message !== "crash") throw e;
    return { kind: "refused", message: e.printed };
  }
}

function local(cli, ctx, kind, name, type) {
  const config = kind === "named" ? null : cli.loadDeploymentConfig(ctx, kind, name);
  return { kind, name, type, port: config?.ports.cloud ?? 0, key: config?.adminKey ?? "" };
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
