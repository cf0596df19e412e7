// Appended to the npm package's query module while it is bundled (splice.go):
// QueryImpl.next with one promise a document.

const straitNext = QueryImpl.prototype.next;

function straitTakeNext(text, query) {
  const { value, done } = JSON.parse(text);
  if (done) query.closeQuery();
  return { value: text.charCodeAt(0) === 32 ? value : jsonToConvex(value), done };
}

Object.defineProperty(QueryImpl.prototype, "next", {
  value: function next() {
    const state = this.state;
    if (state.type === "executing" && typeof state.queryId === "number") {
      const args = '{"queryId":' + state.queryId + "}";
      const promise = globalThis.__strait.ask("1.0/queryStreamNext", args, 2, straitTakeNext, this, performAsyncSyscall);
      if (promise !== null) return promise;
    }
    return straitNext.call(this);
  },
  writable: true,
  configurable: true,
});
