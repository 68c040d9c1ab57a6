import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

test('every setting that is read stands in .env.example and in docs/configuration.md', () => {
  const names = [...read('packages/runtime/src/env.ts').matchAll(/^ {2}([A-Z][A-Z0-9_]+):/gm)].map(
    ([, name = '']) => name,
  );
  expect(names.length).toBeGreaterThan(15);
  const example = read('.env.example');
  const configuration = read('docs/configuration.md');
  const untold = names.filter((name) => !example.includes(`# ${name}=`) || !configuration.includes(`\`${name}\``));
  expect(untold).toEqual([]);
});

test('every variable of .env.example is explained in docs/configuration.md', () => {
  const names = [...read('.env.example').matchAll(/^#? ?([A-Z][A-Z0-9_]+)=/gm)].map(([, name = '']) => name);
  expect(names.length).toBeGreaterThan(40);
  const configuration = read('docs/configuration.md');
  const isTold = (name: string) =>
    [name, name.replace(/^[A-Z]+(?=_)/, '<PROVIDER>')].some((text) => configuration.includes(`\`${text}\``));
  // A month is told with the day.
  expect(names.map((name) => name.replace(/_MONTH$/, '_DAY')).filter((name) => !isTold(name))).toEqual([]);
});
