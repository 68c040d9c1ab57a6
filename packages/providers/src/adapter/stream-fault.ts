/** A failure that the vendor reported inside its stream. `error` is what it said, in its own shape. */
export class StreamFault extends Error {
  override readonly name = 'StreamFault';
  readonly error: unknown;

  constructor(error: unknown) {
    super('the stream reported a failure');
    this.error = error;
  }
}
