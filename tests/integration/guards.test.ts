import { readdirSync } from 'node:fs';
import { loadCatalog, providerKinds as configurableKinds } from '@aimm/catalog';
import { jobs } from '@aimm/contracts';
import { providerKinds as implementedKinds } from '@aimm/providers';
import { queueOf, systemQueues } from '@aimm/queue';
import { expect, test } from 'vitest';
import { createConfigDir } from '../support/config-dir.ts';

const shipped = loadCatalog({ env: {} });

test('every kind that config/providers.json may name is implemented, and the other way round', () => {
  expect([...configurableKinds].toSorted()).toEqual(Object.keys(implementedKinds).toSorted());
});

test('every kind has its file and its provider in config/providers.json, but the one that is for further providers', () => {
  const files = readdirSync(new URL('../../packages/providers/src', import.meta.url))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.replace(/\.ts$/, ''))
    .filter((name) => Object.hasOwn(implementedKinds, name));
  const named = shipped.catalog.providers.map(({ kind }) => kind);
  expect([...new Set(named), 'openai-compatible'].toSorted()).toEqual(files.toSorted());
});

test('the shipped configuration has no fault', () => {
  expect(shipped.faults).toEqual([]);
});

test('no provider can take the name of a queue that is not its own', () => {
  for (const name of [...systemQueues, queueOf('check-health', 'openai')]) {
    const { faults } = loadCatalog({ env: {}, configDir: writeConfigWith(name) });
    expect(faults.map(({ path }) => path)).toContain('providers[0].id');
  }
});

test('every handler of a job has a file named after it', () => {
  const files = readdirSync(new URL('../../services/worker/src/handlers', import.meta.url));
  expect(files).toEqual(expect.arrayContaining(Object.keys(jobs).map((job) => `${job}.ts`)));
});

function writeConfigWith(id: string): string {
  return createConfigDir((providers) => {
    const [first] = providers;
    if (first !== undefined) first['id'] = id;
  });
}
