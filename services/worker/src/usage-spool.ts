import { randomUUID } from 'node:crypto';
import { access, constants, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { LedgerRow, ModelManagerError } from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';

/**
 * Ledger rows on the local disk, for when neither the database nor Redis takes them: one JSON row a line, in files that are
 * only ever appended to. Each process writes files of its own; whichever comes first replays them, which can be repeated.
 */
export interface UsageSpool {
  /** Resolves once the rows are on the disk. @throws ModelManagerError `unavailable`: the disk or the spool is full */
  append(rows: readonly LedgerRow[]): Promise<void>;
  /** Gives everything to `write`, oldest first, and removes what it took. @throws what `write` throws; the rest stays */
  replay(write: (rows: LedgerRow[]) => Promise<void>): Promise<number>;
  /** Bytes that wait, those of processes that died included. */
  size(): Promise<number>;
}

export interface UsageSpoolOptions {
  /** The first of these that can be written to; made where missing, for this user only. */
  dirs: readonly string[];
  logger: Logger;
  maxBytes?: number;
  /** Whose process numbers are its own: a machine, or a container. Default: this one's name. */
  host?: string;
}

const suffix = { open: '.open', sealed: '.jsonl' } as const;
/** A live process seals its file every few seconds: one that lies open for longer belongs to nobody. */
const openAtMostMs = 10 * 60_000;
/** Whether a process of another host lives nobody can see: what it left alone for so long is no more written to. */
const elsewhereAtMostMs = 60_000;
const rowsAtOnce = 200;

export function createUsageSpool({
  dirs,
  logger,
  maxBytes = 256 * 1024 * 1024,
  host: named = hostname(),
}: UsageSpoolOptions): UsageSpool {
  const host = named.replaceAll(/[^\w.-]/g, '_');
  let own: string | undefined;
  /** Appending, sealing: one after the other. */
  let last: Promise<unknown> = Promise.resolve();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => {
    const result = last.then(work);
    last = result.catch(() => undefined);
    return result;
  };

  /** The own file is closed: from now on anybody may replay and remove it. */
  const seal = async () => {
    if (own === undefined) return;
    const path = own;
    own = undefined;
    await sealFile(path);
  };

  const write = async (text: string) => {
    const found = await findFiles(dirs);
    if (found.reduce((sum, { bytes }) => sum + bytes, 0) + text.length > maxBytes) {
      throw new Error(`it holds ${maxBytes} bytes already`);
    }
    own ??= join(await makeDir(dirs), `usage-${Date.now()}-${process.pid}-${randomUUID()}@${host}${suffix.open}`);
    const file = await open(own, 'a', 0o600);
    try {
      await file.appendFile(text);
      await file.datasync();
    } finally {
      await file.close();
    }
  };

  return {
    append: (rows) =>
      inTurn(async () => {
        try {
          await write(rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
        } catch (cause) {
          // The file may end in half a line: nothing more goes into it.
          await seal().catch(() => undefined);
          throw new ModelManagerError('unavailable', 'Usage rows could not be written to the local disk either.', {
            retryable: false,
            cause,
            hint: 'Make room in the data directory, and bring database or Redis back. The rows stay with their jobs.',
          });
        }
      }),

    async replay(take) {
      await inTurn(seal);
      let replayed = 0;
      for (const file of await findFiles(dirs)) {
        // What was appended since the own one was sealed comes next time.
        if (file.path === own || !isFree(file, host)) continue;
        // First under another name: should its process live after all, it goes on in a new file.
        const path = file.path.endsWith(suffix.open) ? await sealFile(file.path).catch(ignoreGone) : file.path;
        if (path === undefined) continue;
        for await (const rows of readRows(path, logger)) {
          await take(rows);
          replayed += rows.length;
        }
        await rm(path, { force: true });
      }
      return replayed;
    },

    async size() {
      return (await findFiles(dirs)).reduce((sum, { bytes }) => sum + bytes, 0);
    },
  };
}

/** Gives the new path. */
async function sealFile(path: string): Promise<string> {
  const sealed = path.slice(0, -suffix.open.length) + suffix.sealed;
  await rename(path, sealed);
  return sealed;
}

/** Another process was quicker with it. */
function ignoreGone(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error;
}

interface SpoolFile {
  path: string;
  pid: number;
  /** Absent in names that were given by an earlier release. */
  host?: string | undefined;
  bytes: number;
  changedAt: number;
}

/** Oldest first: names begin with the time. */
async function findFiles(dirs: readonly string[]): Promise<SpoolFile[]> {
  const names = await Promise.all(
    dirs.map(async (dir) => (await readdir(dir).catch(() => [])).map((name) => ({ dir, name }))),
  );
  const files = await Promise.all(
    names
      .flat()
      .toSorted((left, right) => (left.name < right.name ? -1 : 1))
      .map(async ({ dir, name }) => {
        const [, pid, host] = /^usage-\d+-(\d+)-[\w-]+(?:@([\w.-]+))?\.(?:open|jsonl)$/.exec(name) ?? [];
        const path = join(dir, name);
        // Another process may have replayed it meanwhile.
        const seen = pid === undefined ? undefined : await stat(path).catch(() => undefined);
        return seen === undefined ? [] : [{ path, pid: Number(pid), host, bytes: seen.size, changedAt: seen.mtimeMs }];
      }),
  );
  return files.flat();
}

/** Sealed, or left open by a process that is no more. */
function isFree({ path, pid, host, changedAt }: SpoolFile, here: string): boolean {
  const untouchedMs = Date.now() - changedAt;
  if (path.endsWith(suffix.sealed) || untouchedMs > openAtMostMs) return true;
  if (host !== undefined && host !== here) return untouchedMs > elsewhereAtMostMs;
  // Its own are sealed: one of its number was left by a process before it, in a container that was started again say.
  return pid === process.pid || !isAlive(pid);
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function makeDir(dirs: readonly string[]): Promise<string> {
  let fault: unknown = new Error('there is no place for it');
  for (const dir of dirs) {
    try {
      await mkdir(dir, { recursive: true, mode: 0o700 });
      await access(dir, constants.W_OK);
      // In the system's temporary folder anybody can make a folder of that name.
      if ((await stat(dir)).uid !== (process.getuid?.() ?? 0)) throw new Error(`${dir} belongs to somebody else`);
      return dir;
    } catch (error) {
      fault = error;
    }
  }
  throw fault;
}

/** A line that a crash cut in half is left out: whoever wrote it was never told that it was safe. */
async function* readRows(path: string, logger: Logger): AsyncGenerator<LedgerRow[]> {
  const file = await open(path).catch((error: NodeJS.ErrnoException) => {
    // Replayed and removed by another process.
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (file === undefined) return;
  let rows: LedgerRow[] = [];
  for await (const line of file.readLines()) {
    const row = LedgerRow.safeParse(parseJson(line)).data;
    if (row === undefined) logger.warn({ path, bytes: line.length }, 'Left out a broken line of the usage spool');
    else rows.push(row);
    if (rows.length < rowsAtOnce) continue;
    yield rows;
    rows = [];
  }
  if (rows.length > 0) yield rows;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
