import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBackup, writeWhole } from '../src/backup-file.ts';

const content = Array.from({ length: 5_000 }, (_, index) => `{"line":${index},"said":"Zoë 🦊"}\n`);
const whole = content.join('');

describe('the file of a backup', () => {
  let dir: string;
  let file: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'aimm-backup-'));
    file = join(dir, 'backup.jsonl');
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  async function* pieces(fails = false) {
    for (const piece of content) yield piece;
    if (fails) throw new Error('the database went away');
  }
  const read = async (path: string) => text((await openBackup(path)).open());

  it.each(['backup.jsonl', 'backup.jsonl.gz'])('is read as it was written, as often as wanted: %s', async (name) => {
    const path = join(dir, name);
    await writeWhole(path, pieces());
    const written = readFileSync(path);
    expect((name.endsWith('.gz') ? gunzipSync(written) : written).toString()).toBe(whole);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const { open, isRepeatable } = await openBackup(path);
    expect([isRepeatable, await text(open()), await text(open())]).toEqual([true, whole, whole]);
  });

  it('is known by its bytes, whatever it is called', async () => {
    writeFileSync(file, gzipSync(whole));
    expect(await read(file)).toBe(whole);
    writeFileSync(`${file}.gz`, whole);
    expect(await read(`${file}.gz`)).toBe(whole);
    for (const small of ['', '{', '\u001F']) {
      writeFileSync(file, small);
      expect(await read(file)).toBe(small);
    }
  });

  it('stays what it was when a new one fails half-way, and leaves nothing beside it', async () => {
    writeFileSync(file, 'the old one');
    await expect(writeWhole(file, pieces(true))).rejects.toThrow('the database went away');
    expect(readFileSync(file, 'utf8')).toBe('the old one');
    expect(readdirSync(dir)).toEqual(['backup.jsonl']);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('that is broken off by %s leaves nothing of it behind', async (signal, code) => {
    const source = `
      import { writeWhole } from ${JSON.stringify(new URL('../src/backup-file.ts', import.meta.url).href)};
      async function* pieces() {
        yield 'prompts and answers';
        process.stdout.write('begun');
        await new Promise((resolve) => setTimeout(resolve, 60_000));
      }
      await writeWhole(process.argv[1], pieces());`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', source, file]);
    const exited = once(child, 'exit');
    await once(child.stdout, 'data');
    child.kill(signal);
    expect(await exited).toEqual([code, null]);
    expect(readdirSync(dir)).toEqual([]);
  });

  it('is written where a link points, and into a pipe', async () => {
    writeFileSync(file, 'the old one');
    const link = join(dir, 'latest.jsonl');
    symlinkSync(file, link);
    await writeWhole(link, pieces());
    expect(readFileSync(file, 'utf8')).toBe(whole);
    const pipe = join(dir, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const { open, isRepeatable } = await openBackup(pipe);
    const [through] = await Promise.all([text(open()), writeWhole(pipe, pieces())]);
    expect([isRepeatable, through]).toEqual([false, whole]);
  });

  it('says when it was cut off, is damaged, or is none', async () => {
    const packed = gzipSync(whole);
    writeFileSync(file, packed.subarray(0, packed.length - 5));
    await expect(read(file)).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('cut off'),
    });
    writeFileSync(file, Buffer.from(packed).fill(0, 200, 260));
    await expect(read(file)).rejects.toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('damaged'),
    });
    await expect(openBackup(join(dir, 'none'))).rejects.toThrow('none cannot be read (ENOENT)');
    await expect(openBackup(dir)).rejects.toThrow('is a folder');
    const nowhere = join(dir, 'none', 'backup.jsonl');
    await expect(writeWhole(nowhere, pieces())).rejects.toThrow('backup.jsonl cannot be written (ENOENT)');
  });
});
