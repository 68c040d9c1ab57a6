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
