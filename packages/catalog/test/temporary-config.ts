import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Catalog, loadCatalog } from '../src/index.ts';

export const provider = (id: string, more: Record<string, unknown> = {}) => ({ id, kind: 'openai', ...more });

/** A config folder for one test; a file given as text is written as it is, one given as `undefined` is left out. */
export function writeConfig(files: { providers?: unknown; models?: unknown; routing?: unknown }): string {
  const directory = mkdtempSync(join(tmpdir(), 'catalog-'));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  const contents: Record<string, unknown> = {
    providers: { providers: [provider('openai')] },
    models: { checkedOn: '2026-11-22', models: [] },
    routing: { auto: { candidates: [] } },
    ...files,
  };
  for (const [name, content] of Object.entries(contents)) {
    if (content === undefined) continue;
    writeFileSync(join(directory, `${name}.json`), typeof content === 'string' ? content : JSON.stringify(content));
  }
  return directory;
}

export function loadFaultless(
  files: Parameters<typeof writeConfig>[0],
  options: { env?: Record<string, string>; now?: () => number } = {},
): Catalog {
  const { catalog, faults } = loadCatalog({ configDir: writeConfig(files), env: {}, ...options });
  if (faults.length > 0) throw new Error(JSON.stringify(faults));
  return catalog;
}
