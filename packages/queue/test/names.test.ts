import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { keyPrefix, keys } from '../src/names.ts';

test('docs/architecture.md tells of every key that is ours', () => {
  const page = readFileSync(new URL('../../../docs/architecture.md', import.meta.url), 'utf8');
  const [, section = ''] = page.split('\n## Keys in Redis\n');
  const told = new Set([...section.matchAll(/`\{aimm\}:([a-z-]+)/g)].map(([, name = '']) => name));
  const ours = Object.entries(keys).flatMap(([name, key]) => {
    // Nothing is kept in a channel, and what begins with a queue's name is BullMQ's.
    if (name.endsWith('Channel')) return [];
    const made = typeof key === 'string' ? key : key('queue', 'other');
    return [made].flat().map((text) => text.slice(keyPrefix.length + 1).split(':')[0] ?? '');
  });
  expect(ours.length).toBeGreaterThan(30);
  expect(ours.filter((name) => name !== 'queue' && !told.has(name))).toEqual([]);
});

test('no two scripts have one name, for of two on one connection the last one runs for both', () => {
  const root = new URL('../../../', import.meta.url).pathname;
  const sources = globSync('{packages,services}/*/src/**/*.ts', { cwd: root });
  const names = sources.flatMap((path) =>
    [...readFileSync(`${root}${path}`, 'utf8').matchAll(/defineCommand\(\s*'(\w+)'/g)].map(([, name]) => name),
  );
  expect(names.length).toBeGreaterThan(40);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
});
