import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readBuild } from '../src/index.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'aimm-build-'));
  fill(root);
});
afterEach(() => rmSync(root, { recursive: true }));

const write = (folder: string, path: string, text: string) => {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
};
const fill = (folder: string) => {
  write(folder, 'package-lock.json', '{}');
  write(folder, 'packages/queue/src/lua/add.lua', 'return 1');
  write(folder, 'services/worker/src/main.ts', 'work()');
  write(folder, 'services/worker/test/main.test.ts', 'test()');
  write(folder, 'prisma/sqlite/1_init/migration.sql', 'CREATE TABLE a');
};

test('the build of a copy is the same', () => {
  const copy = mkdtempSync(join(tmpdir(), 'aimm-build-'));
  fill(copy);
  expect(readBuild(copy)).toBe(readBuild(root));
  rmSync(copy, { recursive: true });
});

test.each([
  ['a source that changed', 'packages/queue/src/lua/add.lua', 'return 12', true],
  ['a new source', 'services/worker/src/more.ts', '', true],
  ['a new migration', 'prisma/sqlite/2_more/migration.sql', '', true],
  ['other packages', 'package-lock.json', '[]', true],
  ['a test', 'services/worker/test/main.test.ts', 'another()', false],
])('with %s (%s) it is another, unless only tests changed', (_what, path, text, differs) => {
  const before = readBuild(root);
  write(root, path, text);
  expect(readBuild(root) !== before).toBe(differs);
});
