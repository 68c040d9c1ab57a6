import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = new URL('../../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const compose = read('docker-compose.yml');

/** From a heading to the next line that stands as far left. */
function section(heading: string): string {
  const indent = /^ */.exec(heading)?.[0] ?? '';
  const [, behind = ''] = compose.split(`\n${heading}`);
  return behind.split(new RegExp(`\n${indent}(?=\\S)`))[0] ?? '';
}

const shared = section('x-environment:');
const isPassed = (text: string, name: string) => new RegExp(`^ +${name}: `, 'm').test(text);

/** What the local stack's processes find by themselves has no meaning in a container. */
const local = ['AIMM_DATA_DIR', 'AIMM_CONFIG_DIR', 'AIMM_MASTER_KEY', 'AIMM_NEW_MASTER_KEY'];

test.each([
  ['front', 'mcp'],
  ['worker', 'worker'],
  ['dashboard', 'dashboard'],
])('the container of %s is given every setting that its process reads', (container, service) => {
  const settings = [...read('packages/runtime/src/env.ts').matchAll(/^ {2}([A-Z][A-Z0-9_]+):/gm)].flatMap(
    ([, name = '']) => (local.includes(name) ? [] : [name]),
  );
  const sources = fileURLToPath(new URL(`services/${service}/src/`, root));
  const code = readdirSync(sources, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(`${sources}${file}`, 'utf8'))
    .join('\n');
  const used = settings.filter((name) => new RegExp(`env\\.${name}\\b`).test(code));
  expect(used.length).toBeGreaterThan(3);
  const given = shared + section(`  ${container}:`);
  expect(used.filter((name) => !isPassed(given, name))).toEqual([]);
});

test('every container is given the limits and budgets of the providers that come with it', () => {
  const names = ['OPENAI', 'ANTHROPIC', 'GOOGLE', 'MISTRAL', 'OLLAMA'].flatMap((id) =>
    ['CONCURRENCY', 'RPM', 'TPM', 'BASE_URL', 'BUDGET_USD_PER_DAY', 'BUDGET_USD_PER_MONTH'].map(
      (what) => `${id}_${what}`,
    ),
  );
  expect(names.filter((name) => !isPassed(shared, name))).toEqual([]);
});

test('a worker has the keys of added providers from .env, and neither its paths nor the token of the front', () => {
  const worker = section('  worker:');
  expect(worker).toContain('env_file: [{ path: .env, required: false }]');
  for (const name of ['AIMM_CONFIG_DIR', 'AIMM_AUTH_TOKEN']) expect(worker).toContain(`${name}: ''`);
  expect(worker).toContain('AIMM_DATA_DIR: /data\n');
  for (const container of ['front', 'dashboard']) expect(section(`  ${container}:`)).not.toMatch(/env_file|API_KEY/);
});

test('ledger rows that went to a worker’s disk outlive its container, and every worker finds them', () => {
  expect(section('  worker:')).toContain("volumes: ['./config:/app/config:ro', 'spool:/data/spool']");
  expect(section('volumes:')).toContain('  spool:');
  // A named volume has the owner of the image's folder.
  expect(read('Dockerfile')).toContain(
    'RUN install --directory --owner=node --group=node --mode=700 /data /data/spool\n',
  );
});
