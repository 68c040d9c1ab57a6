import { execFile } from 'node:child_process';
import { readdir } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createProvider, providerKinds } from '../src/index.ts';

const source = new URL('../src/', import.meta.url);
/** Files beside the kinds' that are none of them. */
const others = ['batch-endpoint.ts', 'drain.ts', 'index.ts', 'model-provider.ts', 'registry.ts', 'stream-guard.ts'];

test('every kind has one file of its name, and every such file is registered', async () => {
  const files = (await readdir(source, { withFileTypes: true })).filter((entry) => entry.isFile());
  const kinds = files.map(({ name }) => name).filter((name) => !others.includes(name));
  expect(kinds.toSorted()).toEqual(
    Object.keys(providerKinds)
      .map((kind) => `${kind}.ts`)
      .toSorted(),
  );
});

test('a registered kind makes the provider of its kind', () => {
  for (const kind of Object.keys(providerKinds)) {
    expect(create(kind)).toMatchObject({ id: 'some-id', kind });
  }
});

test('an unknown kind is a clear error that names the known ones', () => {
  expect(() => create('openia')).toThrow(
    expect.objectContaining({
      code: 'invalid_request',
      message: expect.stringContaining('openia'),
      hint: expect.stringContaining('openai'),
    }),
  );
});

test('starting loads no SDK', async () => {
  const program = `
    const { createProvider, providerKinds } = await import(${JSON.stringify(new URL('index.ts', source).href)});
    for (const kind of Object.keys(providerKinds)) createProvider({ id: kind, kind });
    const { createRequire } = await import('node:module');
    const loaded = Object.keys(createRequire(import.meta.url).cache);
    process.stdout.write(JSON.stringify([...loaded, ...globalThis.seen]));
  `;
  const hooks = `
    import { registerHooks } from 'node:module';
    globalThis.seen = [];
    registerHooks({ load(url, context, next) { globalThis.seen.push(url); return next(url, context); } });
  `;
  const asModule = (text: string) => `data:text/javascript,${encodeURIComponent(text)}`;
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--import',
    asModule(hooks),
    '--input-type=module',
    '--eval',
    program,
  ]);
  const loaded = JSON.parse(stdout) as string[];
  expect(loaded.some((url) => url.includes('/src/openai.ts'))).toBe(true);
  expect(
    loaded.filter((url) => /node_modules\/(openai|@anthropic-ai|@google|@mistralai|ollama|undici)\//.test(url)),
  ).toEqual([]);
});

function create(kind: string) {
  return createProvider({
    id: 'some-id',
    kind,
    keyRequired: false,
    demo: false,
    firstByteTimeoutMs: 1000,
    idleTimeoutMs: 1000,
    describeModel: () => undefined,
  });
}
