import { createReadStream, createWriteStream, rmSync } from 'node:fs';
import { realpath, rename, rm, stat } from 'node:fs/promises';
import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import { ModelManagerError } from '@aimm/contracts';
import { exitCodes } from './interrupt.ts';

/**
 * Writes a backup, or the results of a batch, to stdout (`-`) or to a file, compressed where its name ends in `.gz`. The file gets its name once it is whole: what
 * had that name before stays until then. Only its owner can read it.
 * @throws ModelManagerError `invalid_request` when the file cannot be written
 */
export async function writeWhole(output: string, pieces: AsyncIterable<string>): Promise<void> {
  if (output === '-') return pipeline(Readable.from(pieces), process.stdout, { end: false });
  const target = await findTarget(output);
  const path = target.isFile ? `${target.path}.${process.pid}.partial` : target.path;
  // Two that are written at once do not meet. Prompts and answers are not left lying about by who breaks it off.
  const leave = (signal: NodeJS.Signals) => {
    if (target.isFile) rmSync(path, { force: true });
    process.exit(exitCodes[signal === 'SIGTERM' ? signal : 'SIGINT']);
  };
  process.on('SIGINT', leave).on('SIGTERM', leave);
  try {
    const to = createWriteStream(path, { mode: 0o600, flush: target.isFile });
    const packing: Writable[] = output.endsWith('.gz') ? [createGzip()] : [];
    await pipeline([Readable.from(pieces), ...packing, to]);
    if (target.isFile) await rename(path, target.path);
  } catch (error) {
    if (target.isFile) await rm(path, { force: true });
    throw toFileFault(error, output, 'written');
  } finally {
    process.off('SIGINT', leave).off('SIGTERM', leave);
  }
}

/** Behind a link, so that this stays one. A pipe or a device is written to as it is. */
async function findTarget(output: string): Promise<{ path: string; isFile: boolean }> {
  const path = await realpath(output).catch(() => output);
  const found = await stat(path).catch(() => undefined);
  return { path, isFile: found === undefined || found.isFile() };
}

/** A backup's bytes from stdin (`-`) or a file, unpacked where they are gzip's. `isRepeatable`: they can be read again. */
export async function openBackup(
  input: string,
): Promise<{ open: () => AsyncIterable<Uint8Array>; isRepeatable: boolean }> {
  if (input === '-') return { open: () => unpack(process.stdin), isRepeatable: false };
  const found = await stat(input).catch((error: unknown) => {
    throw toFileFault(error, input, 'read');
  });
  if (found.isDirectory()) {
    throw new ModelManagerError('invalid_request', `${input} is a folder.`, { hint: 'Name the file of a backup.' });
  }
  return { open: () => readUnpacked(input), isRepeatable: found.isFile() };
}

async function* readUnpacked(input: string): AsyncGenerator<Uint8Array> {
  try {
    yield* unpack(createReadStream(input));
  } catch (error) {
    throw toFileFault(error, input, 'read');
  }
}

async function* unpack(packed: Readable): AsyncGenerator<Uint8Array> {
  const chunks: AsyncIterator<Uint8Array> = packed[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done === true) return;
  const whole = Readable.from(startingWith(first.value, chunks));
  const [one, two] = first.value;
  // What every gzip file begins with, and no text.
  if (one !== 0x1f || two !== 0x8b) return yield* whole;
  const unpacked = createGunzip();
  whole.once('error', (error) => unpacked.destroy(error)).pipe(unpacked);
  try {
    yield* unpacked;
  } catch (cause) {
    const isCut = cause instanceof Error && 'code' in cause && cause.code === 'Z_BUF_ERROR';
    if (!isCut && !isZlibError(cause)) throw cause;
    throw new ModelManagerError(
      'invalid_request',
      isCut ? 'The compressed backup was cut off.' : 'The compressed backup is damaged.',
      { hint: 'Make it again, or copy it again, to its end.', cause },
    );
  }
}

async function* startingWith(first: Uint8Array, rest: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* { [Symbol.asyncIterator]: () => rest };
}

function isZlibError(error: unknown): boolean {
  return error instanceof Error && 'code' in error && String(error.code).startsWith('Z_');
}

function toFileFault(error: unknown, path: string, done: 'read' | 'written'): unknown {
  if (!(error instanceof Error) || !('code' in error) || !('syscall' in error)) return error;
  return new ModelManagerError('invalid_request', `${path} cannot be ${done} (${String(error.code)}).`, {
    hint: done === 'read' ? 'Name a file that exists.' : 'Name a file in a folder that exists and has room.',
    cause: error,
  });
}
