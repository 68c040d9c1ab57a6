import { loadCatalog } from '@aimm/catalog';
import { checkCatalogAge } from '../catalog-age.ts';
import { findStack } from '@aimm/local-stack';
import type { HealthReport } from '@aimm/manager';
import { createLogger, loadEnvironment, secretsOf } from '@aimm/runtime';
import type { Command } from 'commander';
import { colours } from '../colours.ts';
import { print, printJson } from '../output.ts';
import { QuietFailure } from '../report-failure.ts';
import { findRedisServer } from '../stack/redis-server.ts';
import { toStackDatabaseUrl } from '../stack/database-url.ts';
import { withoutPassword } from './status.ts';

/** One thing looked at: `failed` keeps the system from working, `warning` some of it. */
export interface Finding {
  check: string;
  state: 'ok' | 'warning' | 'failed';
  says: string;
  mend?: string | undefined;
}

export function addDoctorCommand(program: Command): void {
  program
    .command('doctor')
    .description('Look for what is wrong, and say how to mend it (exit code 1 when something must be mended)')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExample:\n  $ aimm doctor\n')
    .action(examine);
}

async function examine(options: { json?: boolean }): Promise<void> {
  const findings = await findAll();
  if (options.json === true) printJson(findings);
  else print(findings.map(formatFinding).join('\n'));
  if (findings.some(({ state }) => state === 'failed')) throw new QuietFailure();
}

async function findAll(): Promise<Finding[]> {
  const { env, raw, faults } = loadEnvironment();
  const { catalog, faults: fileFaults } = loadCatalog({ configDir: env.configDir, env: raw });
  const configuration = [...faults, ...fileFaults].map(({ source, path, expected }): Finding => ({
    check: 'Configuration',
    state: 'failed',
    says: `${source}: ${path} is not what it should be.`,
    mend: `It takes ${expected}.`,
  }));
  const basics = [
    { check: 'Node', state: 'ok', says: `${process.version} (${process.execPath})` } satisfies Finding,
    ...(configuration.length > 0
      ? configuration
      : [
          {
            check: 'Configuration',
            state: 'ok',
            says: 'config/*.json and the environment are valid.',
          } satisfies Finding,
          checkCatalogAge(catalog.checkedOn, Date.now()),
        ]),
    env.REDIS_URL === undefined ? await checkRedisServer(raw['PATH'] ?? '') : checkGivenRedis(env.REDIS_URL),
  ];
  if (configuration.length > 0) return basics;

  const stack = await findStack(env.dataDir);
  const { info } = stack ?? {};
  await stack?.close();
  const redisUrl = info?.redisUrl ?? env.REDIS_URL;
  const running: Finding =
    info === undefined
      ? {
          check: 'Stack',
          state: env.REDIS_URL === undefined ? 'warning' : 'ok',
          says: `None runs in ${env.dataDir}.`,
          mend: 'The first client starts it by itself; `aimm up` starts it in this terminal.',
        }
      : { check: 'Stack', state: 'ok', says: `Process ${info.pid} in ${info.dataDir}.` };
  const problems = (info?.problems ?? []).map((says): Finding => ({
    check: 'Stack',
    state: 'failed',
    says,
    mend: 'Its log is in the folder `logs` of the data directory.',
  }));
  if (redisUrl === undefined) return [...basics, running];

  const logger = await createLogger({ name: 'doctor', level: 'silent', format: 'json', secrets: () => secretsOf(raw) });
  const { createManager } = await import('@aimm/manager');
  const databaseUrl = info?.databaseUrl ?? toStackDatabaseUrl(env);
  const manager = await createManager({ raw, logger, redisUrl, databaseUrl, configDir: env.configDir });
  try {
    return [...basics, running, ...problems, ...toFindings(await manager.health({ client: 'local', admin: true }))];
  } finally {
    await manager.close();
  }
}

async function checkRedisServer(path: string): Promise<Finding> {
  const check = 'Redis server';
  return findRedisServer(path).then(
    (file): Finding => ({ check, state: 'ok', says: file }),
    (error: Error): Finding => ({ check, state: 'failed', says: 'There is none.', mend: error.message }),
  );
}

function checkGivenRedis(url: string): Finding {
  return {
    check: 'Redis server',
    state: 'ok',
    says: `REDIS_URL is ${withoutPassword(url)}; no private one is needed.`,
  };
}

function toFindings({ queue, database, providers }: HealthReport): Finding[] {
  const one = (check: string, well: boolean, says: string, problem: string | undefined, mend?: string): Finding =>
    well && problem === undefined
      ? { check, state: 'ok', says }
      : { check, state: 'failed', says: problem ?? 'It does not answer.', mend };
  return [
    one(
      'Queue',
      queue.reachable,
      `Answers in ${queue.latencyMs} ms; ${queue.workers.length} worker(s).`,
      queue.problem,
    ),
    one('Database', database.reachable, `${database.kind} answers in ${database.latencyMs} ms.`, database.problem),
    ...providers.map((provider): Finding => {
      const check = `Provider ${provider.provider}`;
      if (provider.demo)
        return { check, state: 'warning', says: 'Demo answers.', mend: 'Set its key to ask the real one.' };
      if (!provider.configured || provider.problem !== undefined) {
        const state = provider.configured ? 'failed' : 'warning';
        return { check, state, says: provider.problem ?? 'Not configured.', mend: provider.hint };
      }
      return { check, state: 'ok', says: `Answers; ${provider.modelCount ?? 'some'} models.` };
    }),
  ];
}

const marks = { ok: colours.green('ok     '), warning: colours.yellow('warning'), failed: colours.red('FAILED ') };

function formatFinding({ check, state, says, mend }: Finding): string {
  return `${marks[state]}  ${check}: ${says}${mend === undefined ? '' : `\n         ${colours.dim('→')} ${mend}`}`;
}
