import { createReadStream } from 'node:fs';

/** A file's bytes, opened when the first are asked for: a stream that fails before it has a reader ends the process. */
export async function* openWhenRead(path: string): AsyncGenerator<Uint8Array> {
  yield* createReadStream(path);
}
