import type { ProviderHealth } from '@aimm/contracts';
import type { HealthReport, QueueHealth } from '@aimm/manager';
import * as z from 'zod';
import { formatPlural, formatSeconds, formatUsd, toIsoTime, toUsd } from './units.ts';

export const HealthSchema = z.object({
  healthy: z.boolean(),
  providers: z.array(
    z.object({
      provider: z.string(),
      kind: z.string(),
      configured: z.boolean(),
      demo: z.boolean(),
      reachable: z.boolean().optional(),
      key_valid: z.boolean().optional(),
      model_count: z.int().optional(),
      default_model: z.object({ id: z.string(), available: z.boolean() }).optional(),
      latency_ms: z.number().optional(),
      checked_at: z.string(),
      keys: z
        .array(
          z.object({
            label: z.string(),
            source: z.enum(['environment', 'database']),
            fingerprint: z.string().optional(),
            state: z.enum(['in_use', 'set_aside', 'unreadable']),
            reason: z.string().optional(),
            until: z.string().optional(),
          }),
        )
        .optional(),
      limits: z
        .object({
          requests_remaining: z.int().optional(),
          tokens_remaining: z.int().optional(),
          reset_at: z.string().optional(),
        })
        .optional(),
      cooldowns: z
        .array(
          z.object({
            model: z.string().optional(),
            state: z.enum(['open', 'due', 'probing']),
            since: z.string(),
            until: z.string(),
            failures: z.int(),
            calls: z.int(),
            last_error: z.string(),
          }),
        )
        .optional(),
      problem: z.string().optional(),
      hint: z.string().optional(),
    }),
  ),
  budgets: z
    .array(
      z.object({
        name: z.string(),
        period: z.enum(['day', 'month']),
        provider: z.string().optional(),
        client: z.string().optional(),
        limit_usd: z.number(),
        spent_usd: z.number(),
        reserved_usd: z.number(),
        renews_at: z.string(),
      }),
    )
    .optional(),
  queue: z.object({
    reachable: z.boolean(),
    latency_ms: z.number().optional(),
    workers: z.array(
      z.object({
        id: z.string(),
        host: z.string(),
        pid: z.int(),
        providers: z.array(z.string()),
        started_at: z.string(),
        seen_at: z.string(),
      }),
    ),
    queues: z.array(
      z.object({
        name: z.string(),
        waiting: z.int(),
        active: z.int(),
        delayed: z.int(),
        failed: z.int(),
        paused_for_ms: z.number().optional(),
      }),
    ),
    problem: z.string().optional(),
  }),
  database: z.object({
    kind: z.enum(['sqlite', 'postgresql']),
    reachable: z.boolean(),
    latency_ms: z.number().optional(),
    problem: z.string().optional(),
  }),
});
type Budget = NonNullable<HealthReport['budgets']>[number];
type HealthOutput = z.input<typeof HealthSchema>;

export function toHealthOutput({ healthy, providers, budgets, queue, database }: HealthReport): HealthOutput {
  return {
    healthy,
    providers: providers.map((provider) => ({
      provider: provider.provider,
      kind: provider.kind,
      configured: provider.configured,
      demo: provider.demo,
      reachable: provider.reachable,
      key_valid: provider.keyValid,
      model_count: provider.modelCount,
      default_model: provider.defaultModel,
      latency_ms: provider.latencyMs,
      checked_at: toIsoTime(provider.checkedAt),
      keys: provider.keys?.map(({ until, ...key }) => ({
        ...key,
        until: until === undefined ? undefined : toIsoTime(until),
      })),
      limits: toLimitsOutput(provider.limits),
      cooldowns: provider.cooldowns?.map(({ provider: _provider, since, until, lastError, ...cooldown }) => ({
        ...cooldown,
        since: toIsoTime(since),
        until: toIsoTime(until),
        last_error: lastError,
      })),
      problem: provider.problem,
      hint: provider.hint,
    })),
    budgets: budgets?.map(toBudgetOutput),
    queue: toQueueOutput(queue),
    database: {
      kind: database.kind,
      reachable: database.reachable,
      latency_ms: database.latencyMs,
      problem: database.problem,
    },
  };
}

function toLimitsOutput(limits: ProviderHealth['limits']) {
  if (limits === undefined) return undefined;
  return {
    requests_remaining: limits.requestsRemaining,
    tokens_remaining: limits.tokensRemaining,
    reset_at: limits.resetAt === undefined ? undefined : toIsoTime(limits.resetAt),
  };
}

function toBudgetOutput({ limitNanoUsd, spentNanoUsd, heldNanoUsd, renewsAt, ...budget }: Budget) {
  return {
    ...budget,
    limit_usd: limitNanoUsd / 1e9,
    spent_usd: spentNanoUsd / 1e9,
    reserved_usd: heldNanoUsd / 1e9,
    renews_at: toIsoTime(renewsAt),
  };
}

function formatBudget({ name, limitNanoUsd, spentNanoUsd, heldNanoUsd, renewsAt }: Budget): string {
  const usd = (nanoUsd: number) => formatUsd(toUsd(nanoUsd));
  const held = heldNanoUsd === 0 ? '' : `, ${usd(heldNanoUsd)} reserved`;
  return `- budget ${name}: ${usd(spentNanoUsd)} of ${usd(limitNanoUsd)} spent${held}; renews at ${toIsoTime(renewsAt)}`;
}

function toQueueOutput(queue: QueueHealth): HealthOutput['queue'] {
  return {
    reachable: queue.reachable,
    latency_ms: queue.latencyMs,
    workers: queue.workers.map((worker) => ({
      id: worker.id,
      host: worker.host,
      pid: worker.pid,
      providers: worker.providers,
      started_at: toIsoTime(worker.startedAt),
      seen_at: toIsoTime(worker.seenAt),
    })),
    queues: queue.queues.map(({ name, waiting, active, delayed, failed, pausedForMs }) => ({
      name,
      waiting,
      active,
      delayed,
      failed,
      paused_for_ms: pausedForMs,
    })),
    problem: queue.problem,
  };
}

export function formatHealth({ healthy, providers, budgets = [], queue, database }: HealthReport): string {
  const busy = queue.queues.filter(
    (one) => one.waiting + one.active + one.delayed > 0 || one.pausedForMs !== undefined,
  );
  return [
    healthy ? 'Healthy.' : 'Not healthy:',
    ...providers.flatMap((provider) => [
      `- ${provider.provider}: ${describeProvider(provider)}`,
      ...describeKeys(provider),
      ...describeCooldowns(provider),
    ]),
    `- queue: ${joinSentences(queue.reachable ? `reachable, ${formatPlural(queue.workers.length, 'worker')}` : 'not reachable', queue.problem)}`,
    ...busy.map(
      (one) =>
        `  - ${one.name}: ${one.waiting} waiting, ${one.active} running, ${one.delayed} delayed${one.pausedForMs === undefined ? '' : `, paused for ${formatSeconds(one.pausedForMs)}`}`,
    ),
    ...budgets.map(formatBudget),
    `- database (${database.kind}): ${joinSentences(database.reachable ? 'reachable' : 'not reachable', database.problem)}`,
  ].join('\n');
}

function describeProvider(provider: ProviderHealth): string {
  const facts = [
    provider.demo ? 'demo' : '',
    provider.configured ? '' : 'not configured',
    provider.reachable === undefined ? '' : provider.reachable ? 'reachable' : 'not reachable',
    provider.keyValid === undefined ? '' : provider.keyValid ? 'key valid' : 'key not valid',
    provider.modelCount === undefined ? '' : formatPlural(provider.modelCount, 'model'),
    provider.limits?.requestsRemaining === undefined
      ? ''
      : `${formatPlural(provider.limits.requestsRemaining, 'request')} left`,
    provider.limits?.tokensRemaining === undefined
      ? ''
      : `${formatPlural(provider.limits.tokensRemaining, 'token')} left`,
    provider.latencyMs === undefined ? '' : formatSeconds(provider.latencyMs),
  ].filter((fact) => fact !== '');
  return joinSentences(facts.join(', ') || 'configured', provider.problem, provider.hint);
}

const cooldownStates = {
  open: 'set aside until',
  due: 'set aside, to be tried again since',
  probing: 'being tried again since',
};

function describeCooldowns({ cooldowns = [] }: HealthReport['providers'][number]): string[] {
  return cooldowns.map(
    ({ provider, model, state, until, failures, calls, lastError }) =>
      `  - ${model === undefined ? provider : `${provider}/${model}`}: ${cooldownStates[state]} ${toIsoTime(until)}; ${failures} of ${calls} calls failed (${lastError})`,
  );
}

/** A key that does its work is not worth a line. */
function describeKeys({ keys = [] }: ProviderHealth): string[] {
  return keys
    .filter(({ state }) => state !== 'in_use')
    .map(({ label, fingerprint, state, reason, until }) => {
      const name = fingerprint === undefined ? label : `${label} (${fingerprint})`;
      const waits = until === undefined ? '' : ` until ${toIsoTime(until)}`;
      return `  - key ${name}: ${joinSentences(`${state === 'set_aside' ? 'set aside' : 'unreadable'}${waits}`, reason)}`;
    });
}

/** Ends every sentence but the last, where it does not end by itself. */
function joinSentences(...texts: (string | undefined)[]): string {
  const sentences = texts.filter((text) => text !== undefined);
  return sentences
    .map((text, index) => (index === sentences.length - 1 || /[.!?]$/.test(text) ? text : `${text}.`))
    .join(' ');
}
