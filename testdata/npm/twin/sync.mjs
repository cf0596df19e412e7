// The server's half of the sync protocol (convex-wire.md 4), over a host of
// functions that tells when something was committed.

let clock = 0n;
/** A timestamp newer than every one before. */
function now() {
  const at = BigInt(Date.now()) * 1_000_000n;
  clock = at > clock ? at : clock + 1n;
  return clock;
}
const encode = (ts) => {
  const b = Buffer.alloc(8);
  b.writeBigUInt64LE(ts);
  return b.toString("base64");
};

const answered = new Map(); // session -> request -> MutationResponse, so that none runs twice

export class Live {
  querySet = 0;
  identity = 0;
  sent = { querySet: 0, identity: 0, ts: encode(0n) };
  queries = new Map();
  removed = []; // since the last Transition
  work = Promise.resolve(); // messages and updates, one after the other
  dirty = false;

  constructor(app, ws, key) {
    Object.assign(this, { app, ws, key });
    const stop = app.onCommit(() => this.changed());
    ws.on("close", stop);
    ws.on("message", (text) => {
      const m = JSON.parse(text);
      if (m.type === "Action") return void this.action(m);
      this.work = this.work.then(() => this.take(m));
    });
    this.ping = setInterval(() => this.send({ type: "Ping" }), 15_000);
    ws.on("close", () => clearInterval(this.ping));
  }

  send(m) {
    if (this.ws.readyState === 1) this.ws.send(JSON.stringify(m));
  }

  fatal(type, error) {
    this.send({ type, error, ...(type === "AuthError" && { baseVersion: this.identity }) });
    this.ws.close(1000, "BadRequest");
  }

  async take(m) {
    switch (m.type) {
      case "Connect":
        this.session = m.sessionId;
        if (!answered.has(this.session)) answered.set(this.session, new Map());
        return;
      case "Authenticate":
        if (m.baseVersion !== this.identity) return this.fatal("FatalError", "base version of Authenticate");
        if (m.tokenType !== "Admin" || m.value !== this.key) {
          return this.fatal("AuthError", "The provided admin key was invalid for this instance");
        }
        this.identity++;
        return this.changed();
      case "ModifyQuerySet":
        if (m.baseVersion !== this.querySet) return this.fatal("FatalError", "base version of ModifyQuerySet");
        this.querySet = m.newVersion;
        for (const x of m.modifications) {
          if (x.type === "Add") this.queries.set(x.queryId, { call: x, last: undefined });
          else if (this.queries.delete(x.queryId)) this.removed.push(x.queryId);
        }
        return this.changed();
      case "Mutation":
        return await this.mutation(m);
    }
  }

  async mutation(m) {
    const before = answered.get(this.session);
    if (!before.has(m.requestId)) {
      const r = await this.app.call(m.componentPath ?? "", m.udfPath, m.args, "SyncWorker");
      before.set(m.requestId, {
        type: "MutationResponse",
        requestId: m.requestId,
        success: !r.failed,
        result: r.failed ? r.message : r.value,
        ts: r.failed ? null : encode(now()),
        logLines: r.lines,
        ...(r.data !== undefined && { errorData: r.data }),
      });
    }
    this.send(before.get(m.requestId));
    this.changed(true);
  }

  async action(m) {
    const r = await this.app.call(m.componentPath ?? "", m.udfPath, m.args, "SyncWorker");
    this.send({
      type: "ActionResponse",
      requestId: m.requestId,
      success: !r.failed,
      result: r.failed ? r.message : r.value,
      logLines: r.lines,
      ...(r.data !== undefined && { errorData: r.data }),
    });
  }

  /** Asks for an update; one that waits serves all. must: even without news. */
  changed(must = false) {
    this.must ||= must;
    if (this.dirty) return;
    this.dirty = true;
    this.work = this.work.then(() => this.update());
  }

  async update() {
    this.dirty = false;
    const must = this.must || this.sent.querySet !== this.querySet || this.sent.identity !== this.identity;
    this.must = false;
    const ts = now();
    const modifications = this.removed.splice(0).map((queryId) => ({ type: "QueryRemoved", queryId }));
    for (const [queryId, q] of this.queries) {
      const r = await this.app.call(q.call.componentPath ?? "", q.call.udfPath, q.call.args, "SyncWorker");
      const last = JSON.stringify(r.failed ? [r.text, r.data] : [r.value]);
      if (last === q.last) continue;
      q.last = last;
      modifications.push(
        r.failed
          ? { type: "QueryFailed", queryId, errorMessage: r.message, logLines: r.lines, journal: null, ...(r.data !== undefined && { errorData: r.data }) }
          : { type: "QueryUpdated", queryId, value: r.value, logLines: r.lines, journal: null },
      );
    }
    if (modifications.length === 0 && !must) return;
    const startVersion = this.sent;
    this.sent = { querySet: this.querySet, identity: this.identity, ts: encode(ts) };
    this.send({ type: "Transition", startVersion, endVersion: this.sent, modifications });
  }
}
