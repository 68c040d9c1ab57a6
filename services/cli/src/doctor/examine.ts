import { type Catalog, loadCatalog } from '@aimm/catalog';
import { lookForStack, readBuild, type StackInfo, toStackPaths, version } from '@aimm/local-stack';
import { createLogger, loadEnvironment, type RawEnvironment, type RuntimeEnvironment, secretsOf } from '@aimm/runtime';
import { existsSync } from 'node:fs';
import { withoutPassword } from '../commands/status.ts';
import { toPlace } from '../stack/find-place.ts';
import { checkCatalogAge } from './check-catalog-age.ts';
import { checkDatabase } from './check-database.ts';
import { checkDataDirectory, checkNode, checkPorts, checkRedisServer } from './check-machine.ts';
import { checkProviderKeys, checkProviders } from './check-providers.ts';
import { checkRedis } from './check-redis.ts';
import { byDeadline, failed, type Finding, ok, warning } from './finding.ts';

/** All of it takes so long at most, whatever hangs: with the start of this process well under 10 s. */
const patienceMs = 6_000;
const stackWithinMs = 2_000;
const databaseWithinMs = 3_500;

/** Looks at everything that has to work; starts nothing and changes nothing. */
export async function examine(): Promise<Finding[]> {
  const deadlineAt = Date.now() + patienceMs;
  const { env, raw, faults } = loadEnvironment();
  const { catalog, faults: fileFaults } = loadCatalog({ configDir: env.configDir, env: raw });
  const configuration = [...faults, ...fileFaults].map(({ source, path, expected }) =>
    failed('Configuration', `${source}: ${path} is not what it should be.`, `It takes ${expected}.`),
  );
  const stack = await checkStack(env);
  const machine = byDeadline(
    deadlineAt,
    Promise.all([
      env.REDIS_URL === undefined ? checkRedisServer(raw['PATH'] ?? '') : undefined,
      checkPorts(env, stack.info),
    ]),
    [undefined, []],
  );
  const isSound = configuration.length === 0;
  const [connected, database, [redisServer, ports]] = await Promise.all([
    checkConnected({ env, raw, catalog: isSound ? catalog : undefined, info: stack.info, deadlineAt }),
    checkDatabaseInTime(toPlace(env, stack.info).databaseUrl),
    machine,
  ]);
  return [
    checkNode(),
    ...(isSound ? [ok('Configuration', 'config/*.json and the environment are valid.')] : configuration),
    ...(isSound ? [checkCatalogAge(catalog.checkedOn, Date.now())] : []),
    ...checkDataDirectory(env.dataDir),
    ...(redisServer === undefined ? [] : [redisServer]),
    ...stack.findings,
    ...connected.queue,
    ...database,
    ...ports,
    ...connected.providers,
  ];
}

async function checkDatabaseInTime(url: string): Promise<Finding[]> {
  const late = failed(
    'Database',
    `${withoutPassword(url)} does not answer in time.`,
    'Check that it runs and that DATABASE_URL names the right host and port.',
  );
  return byDeadline(Date.now() + databaseWithinMs, checkDatabase(url), [late]);
}

async function checkStack(env: RuntimeEnvironment): Promise<{ info?: StackInfo; findings: Finding[] }> {
  const check = 'Stack';
  const log = 'Its log is `logs/stack.log` in the data directory.';
  const found = await lookForStack(env.dataDir, stackWithinMs).catch((error: Error) => error);
  if (found instanceof Error) return { findings: [failed(check, found.message, log)] };
  if (found === 'starting') {
    const says = `One is starting in ${env.dataDir}, or hangs.`;
    return { findings: [warning(check, says, `Look again in a moment; \`aimm down\` ends it. ${log}`)] };
  }
  if (found === undefined) {
    const says = `None runs in ${env.dataDir}.`;
    if (env.REDIS_URL !== undefined) return { findings: [ok(check, `${says} None is needed: REDIS_URL is set.`)] };
    if (existsSync(toStackPaths(env.dataDir).controlSocket))
      return {
        findings: [
          warning(
            check,
            `${says} One that was there does not answer.`,
            `It was killed: \`aimm down\` tidies up. ${log}`,
          ),
        ],
      };
    return {
      findings: [warning(check, says, 'The first client starts it by itself; `aimm up` starts it in this terminal.')],
    };
  }
  const { info } = found;
  await found.close();
  return {
    info,
    findings: [
      ok(check, `Process ${info.pid} in ${info.dataDir}, version ${info.version}.`),
      ...(info.version === version && info.build === readBuild()
        ? []
        : [
            warning(
              'Stack version',
              info.version === version
                ? 'The stack was started before the checkout was updated.'
                : `The stack is of version ${info.version}; this command is ${version}.`,
              '`aimm down` ends it; the next client starts it anew.',
            ),
          ]),
      ...(toPlace(env, info).databaseUrl === info.databaseUrl || env.REDIS_URL !== undefined
        ? []
        : [
            failed(
              'Stack database',
              `The stack is on ${withoutPassword(info.databaseUrl)}, DATABASE_URL names another.`,
              '`aimm down` ends it; the next client starts it anew.',
            ),
          ]),
      ...info.problems.map((says) => failed(check, says, log)),
    ],
  };
}

interface Connected {
  queue: Finding[];
  providers: Finding[];
}

/** Redis, the workers, and through them the providers. `catalog`: absent where the configuration is at fault. */
async function checkConnected(options: {
  env: RuntimeEnvironment;
  raw: RawEnvironment;
  catalog: Catalog | undefined;
  info: StackInfo | undefined;
  deadlineAt: number;
}): Promise<Connected> {
  const { env, raw, catalog, info, deadlineAt } = options;
  const redisUrl = env.REDIS_URL ?? info?.redisUrl;
  const keys = async () =>
    catalog === undefined ? [] : byDeadline(deadlineAt, checkProviderKeys(catalog.providers, raw), []);
  if (redisUrl === undefined) return { queue: [], providers: await keys() };

  const logger = await createLogger({ name: 'doctor', level: 'silent', format: 'json', secrets: () => secretsOf(raw) });
  const { findings, workers = [] } = await byDeadline(deadlineAt, checkRedis(redisUrl, version, logger), {
    findings: [
      failed(
        'Redis',
        `${withoutPassword(redisUrl)} does not answer in time.`,
        'Check that it runs and is not overloaded.',
      ),
    ],
  });
  if (catalog === undefined || workers.length === 0) return { queue: findings, providers: await keys() };

  const { createManager } = await import('@aimm/manager');
  const { databaseUrl } = toPlace(env, info);
  const manager = await createManager({ raw, logger, redisUrl, databaseUrl, configDir: env.configDir });
  try {
    return { queue: findings, providers: await checkProviders(manager, catalog.providers, deadlineAt) };
  } finally {
    await byDeadline(deadlineAt + 250, manager.close(), undefined);
  }
}
