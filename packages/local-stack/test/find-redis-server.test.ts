import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findRedisServer } from '../src/find-redis-server.ts';

describe('findRedisServer', () => {
  let root: string;
  let path: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'aimm-find-redis-'));
    path = ['first', 'second'].map((folder) => join(root, folder)).join(delimiter);
    for (const folder of path.split(delimiter)) mkdirSync(folder);
  });
  afterEach(() => rmSync(root, { recursive: true, force: true }));

  const install = (file: string, says: string) => {
    writeFileSync(join(root, file), `#!/bin/sh\necho "${says}"\n`, { mode: 0o755 });
    return join(root, file);
  };
  const [old, current] = ['Redis server v=6.0.16 sha=00000000:0', 'Redis server v=7.2.4 sha=00000000:0'];

  it('says what to install when there is no server', async () => {
    await expect(findRedisServer(path)).rejects.toThrow('apt-get install redis-server');
  });

  it('takes a Valkey server where there is no other', async () => {
    const valkey = install('second/valkey-server', 'Valkey server v=8.1.1 sha=00000000:0');
    expect(await findRedisServer(path)).toBe(valkey);
  });

  it('passes over a server that is too old, and says so where there is no other', async () => {
    const first = install('first/redis-server', old);
    await expect(findRedisServer(path)).rejects.toThrow(`Redis 7 or newer is needed, and ${first} is 6`);
    const valkey = install('first/valkey-server', 'Valkey server v=8.1.1 sha=00000000:0');
    expect(await findRedisServer(path)).toBe(valkey);
    const second = install('second/redis-server', current);
    expect(await findRedisServer(path)).toBe(second);
  });
});
