import { readdirSync } from 'node:fs';

/** What everything else stands on: in every run. */
const always = new Set([
  'batches',
  'cancel',
  'crash-points',
  'database-away',
  'front-killed',
  'limits-audit',
  'redis-away',
  'worker-killed',
]);
/** More than half a minute each, dealt out first: no day has many of them. */
const long = [
  'batch-outages',
  'clock-jump',
  'config-reload',
  'conversations',
  'limits',
  'log-flood',
  'master-key-rotation',
  'provider-batches',
  'shared-calls',
  'stored-keys',
  'unsettled',
  'upstream-broken',
  'waiting',
  'worker-killed-often',
];
/** Of the others one in so many, another choice each day. */
const oneIn = 5;

/**
 * The fault tests of this run. All of them where `FAULTS=all` (`npm run test:faults`), in the long form (`FAULT_ROUNDS`), and where files
 * are named; else those that always run and a fifth of the others: `FAULT_SEED` chooses which, by default the day does.
 */
export function chooseFaults(): string[] {
  const { FAULTS, FAULT_ROUNDS, FAULT_SEED } = process.env;
  const all = ['tests/faults/**/*.test.ts'];
  const isNamed = process.argv.some((argument) => argument.includes('faults/'));
  if (FAULTS === 'all' || FAULT_ROUNDS !== undefined || isNamed) return all;
  const seed = Number(FAULT_SEED ?? Math.floor(Date.now() / 86_400_000));
  if (!Number.isInteger(seed)) throw new Error(`FAULT_SEED: expected a whole number, not ${FAULT_SEED}`);
  const names = readdirSync(new URL('../faults', import.meta.url))
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => file.slice(0, -'.test.ts'.length))
    .toSorted();
  const others = [...long, ...names.filter((name) => !always.has(name) && !long.includes(name))];
  const chosen = others.filter((_, index) => (index + seed) % oneIn === 0);
  return [...always, ...chosen].map((name) => `tests/faults/${name}.test.ts`);
}
