import { randomUUID } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { inject } from 'vitest';

const shipped = fileURLToPath(new URL('../../config', import.meta.url));

/** A copy of the shipped configuration with its providers changed; goes with the run. */
export function createConfigDir(change: (providers: Record<string, unknown>[]) => void): string {
  const dir = join(inject('dir'), `config-${randomUUID()}`);
  cpSync(shipped, dir, { recursive: true });
  const file = join(dir, 'providers.json');
  const content = JSON.parse(readFileSync(file, 'utf8')) as { providers: Record<string, unknown>[] };
  change(content.providers);
  writeFileSync(file, JSON.stringify(content));
  return dir;
}
