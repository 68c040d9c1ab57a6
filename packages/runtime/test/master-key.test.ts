import { chmodSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../src/config-fault.ts';
import {
  ensureMasterKeys,
  findMasterKeys,
  isMasterKeyRotating,
  masterKeyFile,
  prepareNextMasterKey,
  replaceMasterKey,
} from '../src/master-key.ts';

const ensureMasterKey = (env: Parameters<typeof ensureMasterKeys>[0]) => ensureMasterKeys(env)[0] ?? '';
const findMasterKey = (env: Parameters<typeof findMasterKeys>[0]) => findMasterKeys(env)[0];

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

  test('and the one that is to follow it are both there until the change is made, each for this user alone', () => {
    const old = ensureMasterKey(env);
    const next = prepareNextMasterKey(env);
    expect(next).not.toBe(old);
    expect(statSync(`${masterKeyFile(env)}.next`).mode & 0o777).toBe(0o600);
    expect(findMasterKeys(env)).toEqual([old, next]);
    expect(isMasterKeyRotating(env)).toBe(true);
    // Begun again after it was cut off: the same one.
    expect(prepareNextMasterKey(env)).toBe(next);
    replaceMasterKey(env);
    expect(isMasterKeyRotating(env)).toBe(false);
    expect(findMasterKeys(env)).toEqual([next]);
    expect(statSync(masterKeyFile(env)).mode & 0o777).toBe(0o600);
    expect(readdirSync(env.dataDir)).toEqual(['master.key']);
  });

  test('of the environment is followed by AIMM_NEW_MASTER_KEY', () => {
    const both = { ...env, AIMM_MASTER_KEY: 'a passphrase of mine', AIMM_NEW_MASTER_KEY: 'the passphrase to come' };
    expect(findMasterKeys(both)).toEqual(['a passphrase of mine', 'the passphrase to come']);
  });
});
