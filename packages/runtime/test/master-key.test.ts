import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../src/config-fault.ts';
import { ensureMasterKey, findMasterKey, masterKeyFile } from '../src/master-key.ts';

describe('the master key', () => {
  let dir: string;
  let env: { AIMM_MASTER_KEY: string | undefined; dataDir: string };
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'aimm-master-key-'));
    env = { AIMM_MASTER_KEY: undefined, dataDir: join(dir, 'data') };
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test('is AIMM_MASTER_KEY where that is set, and no file is made then', () => {
    expect(ensureMasterKey({ ...env, AIMM_MASTER_KEY: 'a passphrase of mine' })).toBe('a passphrase of mine');
    expect(readdirSync(dir)).toEqual([]);
  });

  test('is made at first need in a file for this user alone, and stays the same', () => {
    expect(findMasterKey(env)).toBeUndefined();
    const key = ensureMasterKey(env);
    expect(key.length).toBeGreaterThan(40);
    expect(statSync(masterKeyFile(env)).mode & 0o777).toBe(0o600);
    expect(ensureMasterKey(env)).toBe(key);
    expect(findMasterKey(env)).toBe(key);
    expect(readdirSync(env.dataDir)).toEqual(['master.key']);
  });

  test.each([0o640, 0o604, 0o644, 0o620])('is refused when others may get at its file (%o)', (mode) => {
    const key = ensureMasterKey(env);
    chmodSync(masterKeyFile(env), mode);
    expect(() => findMasterKey(env)).toThrow(ConfigError);
    expect(() => ensureMasterKey(env)).toThrow(/mode: expected 0600.*chmod 600/);
    expect(() => findMasterKey(env)).not.toThrow(key);
  });

  test('is refused when its file was emptied, lest a new one lock out what was stored', () => {
    ensureMasterKey(env);
    writeFileSync(masterKeyFile(env), '');
    expect(() => ensureMasterKey(env)).toThrow(/at least 16 characters/);
  });
});
