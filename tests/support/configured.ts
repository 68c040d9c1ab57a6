import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const shipped = fileURLToPath(new URL('../../config', import.meta.url));

type File = Record<string, unknown>;

/** The shipped configuration with further top-level settings in providers.json and routing.json; goes with the test. */
export function createConfigWith(more: { providers?: File; routing?: File }): string {
  const dir = mkdtempSync(join(tmpdir(), 'aimm-config-'));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  cpSync(shipped, dir, { recursive: true });
  for (const [name, settings] of Object.entries(more)) {
    const file = join(dir, `${name}.json`);
    const content = JSON.parse(readFileSync(file, 'utf8')) as File;
    writeFileSync(file, JSON.stringify({ ...content, ...settings }));
  }
  return dir;
}
