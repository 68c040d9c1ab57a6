/**
 * `npm run soak -- [minutes] [--database sqlite|postgresql] [--seed n] [--rate requests-per-second]`: everything at once, for
 * a while, and nothing may be lost or grow. docs/reliability.md says what it does.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { database: { type: 'string' }, seed: { type: 'string' }, rate: { type: 'string' } },
});
const given = {
  SOAK_MINUTES: positionals[0],
  SOAK_DATABASE: values.database,
  SOAK_RATE: values.rate,
  FAULT_SEED: values.seed ?? process.env['FAULT_SEED'] ?? String(Date.now() % 1_000_000),
};
const set = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
const vitest = fileURLToPath(
  new URL('vitest.mjs', `file://${createRequire(import.meta.url).resolve('vitest/package.json')}`),
);
const child = spawn(
  process.execPath,
  [vitest, 'run', '--config', 'tests/soak/vitest.config.ts', '--disable-console-intercept'],
  {
    cwd: fileURLToPath(new URL('../../', import.meta.url)),
    env: { ...process.env, ...set },
    stdio: 'inherit',
  },
);
const [code] = (await once(child, 'exit')) as [number | null];
process.exitCode = code ?? 1;
