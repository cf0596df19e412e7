import { textForError } from "./codec";

const mark = Symbol.for("ConvexError");

/** An error whose data reaches the caller. The host knows it by its mark. */
export class ConvexError<Data = any> extends Error {
  override name = "ConvexError";
  data: Data;
  [mark] = true;

  constructor(data: Data) {
    super(typeof data === "string" ? data : textForError(data));
    this.data = data;
  }
}
