import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { createMessageSocket } from '../src/index.ts';

const Note = z.object({ note: z.string() });

describe('createMessageSocket', () => {
  let directory: string;
  let client: Socket;
  let server: ReturnType<typeof createServer>;
  let received: string[];
  let closed: Promise<void>;

  beforeEach(async () => {
    directory = mkdtempSync(join(tmpdir(), 'aimm-socket-'));
    const path = join(directory, 's');
    received = [];
    server = createServer().listen(path);
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    client = connect(path);
    const [socket] = await accepted;
    closed = createMessageSocket(socket, Note, ({ note }) => received.push(note)).closed;
  });
  afterEach(() => {
    client.destroy();
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });

  it('puts messages together whatever pieces they come in', async () => {
    client.write('{"note":"o');
    await new Promise((resolve) => setImmediate(resolve));
    client.write('ne"}\n{"note":"two"}\n{"no');
    client.end('te":"three"}\n');
    await closed;
    expect(received).toEqual(['one', 'two', 'three']);
  });

  it.each([
    ['no JSON', 'hello\n'],
    ['another shape', '{"other":1}\n'],
  ])('cuts off whoever sends %s', async (_, line) => {
    client.write(`{"note":"fine"}\n${line}{"note":"too late"}\n`);
    await closed;
    expect(received).toEqual(['fine']);
  });

  it('cuts off whoever sends a line without end', async () => {
    client.on('error', () => undefined);
    client.write('x'.repeat(1_100_000));
    await closed;
    expect(received).toEqual([]);
  });
});
