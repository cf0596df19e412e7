// The end of the set-up: process.env, and no code from strings.

hidden(G, "process", { env: JSON.parse(host.env()) });
hidden(G, "self", G);

const refuse = () => {
  throw new EvalError("Code generation from strings disallowed for this context");
};
const makers = [
  function () {},
  async function () {},
  function* () {},
  async function* () {},
];
for (const f of makers) {
  const prototype = Object.getPrototypeOf(f);
  const maker = function Function() {
    refuse();
  };
  Object.defineProperty(maker, "name", { value: prototype.constructor.name });
  Object.defineProperty(maker, "prototype", { value: prototype, writable: false });
  Object.defineProperty(prototype, "constructor", { value: maker, writable: false, configurable: false });
  if (prototype === Function.prototype) hidden(G, "Function", maker);
}
hidden(G, "eval", refuse);
