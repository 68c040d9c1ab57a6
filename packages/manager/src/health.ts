import { type ProviderHealth, toModelManagerError } from '@aimm/contracts';
import { readBudgets } from './budgets.ts';
import { asCaller } from './own-budgets.ts';
import { requireKnownProvider } from './list-models.ts';
import type { Caller } from './caller.ts';
import type { BudgetView, HealthReport, QueueHealth } from './health-report.ts';
import type { Manager } from './manager.ts';
import type { ProviderView } from './provider-views.ts';
import { probe } from './probe.ts';
import type { Resources } from './resources.ts';

const askForMs = 12_000;
const databaseWithinMs = 3_000;

/** Redis and workers, then the database and each provider at the same time. Never throws for what is merely unwell. */
export async function checkHealth(
  resources: Resources,
  caller: Caller,
  query: NonNullable<Parameters<Manager['health']>[1]> = {},
): Promise<HealthReport> {
  if (query.provider !== undefined) requireKnownProvider(resources, query.provider);
  // Not at the same time: opening the database for the first time blocks this process, and Redis would seem to be slow.
  const queue = await checkQueue(resources);
  const views = queue.reachable ? await resources.providers.list() : [];
  const wanted = views.filter(({ id }) => query.provider === undefined || id === query.provider);
  const [database, ...checked] = await Promise.all([
    query.database === false ? unopened(resources) : checkDatabase(resources),
    ...wanted.map((view) => checkProvider(resources, view, query.deep ?? false)),
  ]);
  // After the checks, so that what is told fits what they found.
  const aside = queue.reachable ? await resources.queue.cooldowns().catch(() => []) : [];
  const providers = checked.map((health) => {
    const cooldowns = aside.filter(({ provider }) => provider === health.provider);
    return cooldowns.length === 0 ? health : { ...health, cooldowns };
  });
  const mine = (budget: BudgetView) => caller.admin || budget.client === caller.client;
  // They begin with what the ledger says.
  const budgets =
    queue.reachable && query.database !== false
      ? await readBudgets(asCaller(resources, caller)).catch(() => undefined)
      : undefined;
  const works = providers.some(
    ({ configured, reachable, keyValid }) => configured && reachable === true && keyValid !== false,
  );
  return {
    healthy: queue.reachable && queue.problem === undefined && database.reachable && works,
    // Which keys there are is their owner's affair.
    providers: caller.admin ? providers : providers.map(({ keys: _keys, ...health }) => health),
    budgets: budgets?.filter(mine),
    queue,
    database,
  };
}

async function checkProvider(
  { queue, uuid, now }: Resources,
  view: ProviderView,
  deep: boolean,
): Promise<ProviderHealth> {
  const base = {
    provider: view.id,
    kind: view.kind,
    configured: view.configured ?? false,
    demo: view.demo,
    checkedAt: now(),
  };
  if (view.configured === undefined)
    return {
      ...base,
      problem: 'No worker serves it.',
      hint: 'Start one: `aimm worker`, or `aimm up` for the whole stack.',
    };
  if (!view.configured) {
    // Keys that are there, but cannot be used.
    if (view.problem !== undefined) return { ...base, problem: view.problem };
    const [variable] = view.apiKeyVariables;
    return {
      ...base,
      problem: 'It has no API key.',
      hint: `Set ${variable ?? 'its key'} where the worker (or the client that starts the local stack) runs, or store one with \`aimm keys add ${view.id}\`.`,
    };
  }
  try {
    return await probe(queue, 'check-health', { provider: view.id, deep, timeoutMs: askForMs, uuid, now });
  } catch (error) {
    const { message, hint } = toModelManagerError(error);
    return { ...base, problem: message, ...(hint !== undefined && { hint }) };
  }
}

async function checkQueue({ queue }: Resources): Promise<QueueHealth> {
  try {
    const latencyMs = await queue.ping();
    const [workers, queues] = await Promise.all([queue.workers(), queue.counts()]);
    return {
      reachable: true,
      latencyMs: round(latencyMs),
      workers: workers.map(({ providers, ...worker }) => ({ ...worker, providers: providers.map(({ id }) => id) })),
      queues,
      ...(workers.length === 0 && {
        problem:
          'No worker is running: requests wait. Start one with `aimm worker`, or the whole stack with `aimm up`.',
      }),
    };
  } catch (error) {
    const { message, hint } = toModelManagerError(error);
    return { reachable: false, workers: [], queues: [], problem: hint === undefined ? message : `${message} ${hint}` };
  }
}

function unopened({ databaseKind }: Resources): HealthReport['database'] {
  return { kind: databaseKind, reachable: false, problem: 'It was not asked.' };
}

async function checkDatabase({ database, databaseKind }: Resources): Promise<HealthReport['database']> {
  try {
    const opened = await database.get();
    return { kind: opened.kind, reachable: true, latencyMs: round(await opened.ping(databaseWithinMs)) };
  } catch (error) {
    const { message, hint } = toModelManagerError(error);
    return { kind: databaseKind, reachable: false, problem: hint === undefined ? message : `${message} ${hint}` };
  }
}

function round(ms: number): number {
  return Math.round(ms * 100) / 100;
}
