import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { findValues } from '../src/complete/find-values.ts';
import { binPath } from '../src/stack/bin-path.ts';

let dataDir: string;
let script: string;
beforeAll(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'aimm-complete-'));
  script = join(dataDir, 'aimm.bash');
  writeFileSync(script, printScript('bash'));
});
afterAll(() => rmSync(dataDir, { recursive: true, force: true }));

function printScript(shell: string): string {
  return execFileSync(process.execPath, [binPath, 'completion', shell], { encoding: 'utf8', env: {} });
}

/** What bash itself offers for a line, by the script's own registration. */
function complete(lines: readonly string[]): string[][] {
  const harness = `
    source "$1"
    [[ $(complete -p aimm) == *"-F _aimm aimm" ]] || exit 9
    shift
    for line in "$@"; do
      COMP_LINE=$line COMP_POINT=\${#line} COMPREPLY=()
      _aimm
      printf '%s\\t' "\${COMPREPLY[@]}"
      printf '\\n'
    done`;
  const { PATH = '' } = process.env;
  const { stdout, status, stderr } = spawnSync('bash', ['--norc', '-c', harness, 'bash', script, ...lines], {
    encoding: 'utf8',
    env: { PATH, AIMM_DATA_DIR: dataDir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split('\t').filter((word) => word !== ''));
}

describe('completion in bash', () => {
  it.each([
    ['aimm gen', ['generate']],
    ['aimm keys ', ['add', 'list', 'remove', 'rotate', 'help']],
    ['aimm generate --reasoning-e', ['--reasoning-effort']],
    ['aimm generate "a prompt" --reasoning-effort m', ['minimal', 'medium', 'max']],
    ['aimm generate --reasoning-effort=mi', ['minimal']],
    ['aimm usage --by d', ['day']],
    ['aimm completion ', ['bash', 'zsh', 'fish']],
    ['aimm help conv', ['conversations']],
    ['aimm generate a prompt of words', []],
    ['aimm nonsense ', []],
  ])('%s', (line, expected) => {
    expect(complete([line])).toEqual([expected]);
  });
});

describe('values at TAB', () => {
  it('come from the configuration and the stack’s database, and start nothing', () => {
    const databaseFile = join(dataDir, 'aimm.db');
    const places = { databaseFile };
    expect(findValues('conversations', '', places)).toEqual([]);
    const file = new Sqlite(databaseFile);
    file.exec(`CREATE TABLE conversations (id TEXT, updated_at INTEGER);
      CREATE TABLE model_preferences (client TEXT, name TEXT);
      INSERT INTO conversations VALUES ('conv_a', 1), ('conv_b', 2);
      INSERT INTO model_preferences VALUES ('*', 'review'), ('me', 'review')`);
    file.close();
    expect(findValues('conversations', 'conv_', places)).toEqual(['conv_b', 'conv_a']);
    expect(findValues('models', 're', places)).toEqual(['review']);
    expect(findValues('models', 'openai/gpt-6.2-a', places)).toEqual(['openai/gpt-6.2-astra']);
    expect(findValues('models', 'smart,review,re', places)).toEqual([]);
    expect(findValues('models', 'smart,re', places)).toEqual(['smart,review']);
    expect(findValues('providers', 'o', places)).toEqual(['openai', 'ollama']);
    expect(findValues('jobs', '', places)).toEqual([]);
    expect(readdirSync(dataDir).toSorted()).toEqual(['aimm.bash', 'aimm.db']);
  });

  it('none where the configuration is at fault', () => {
    writeFileSync(join(dataDir, 'models.json'), '{');
    expect(findValues('models', 'openai/', { configDir: dataDir })).toEqual([]);
  });
});

describe('scripts', () => {
  it.each(['bash', 'zsh', 'fish'])('for %s name every command and ask this checkout', (shell) => {
    const text = printScript(shell);
    for (const word of ['generate', 'conversations', '__complete', binPath]) expect(text).toContain(word);
  });

  it.each(['bash', 'zsh', 'fish'])('for %s are read by that shell, where there is one', (shell) => {
    const file = join(dataDir, `aimm.${shell}`);
    writeFileSync(file, printScript(shell));
    const { error, stderr } = spawnSync(shell, ['-n', file], { encoding: 'utf8' });
    const isMissing = error !== undefined && 'code' in error && error.code === 'ENOENT';
    expect(isMissing ? '' : stderr).toBe('');
  });
});
