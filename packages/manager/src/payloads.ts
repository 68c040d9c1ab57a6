import type { ProviderConfig, ResolvedModel } from '@aimm/catalog';
import type { GeneratePayload } from '@aimm/contracts';
import type { GenerateAsk } from './asks.ts';
import type { Caller } from './caller.ts';
import type { Resources } from './resources.ts';

/** Nobody waits longer for an interactive answer, unless it may wait so long and its calls may take so long. */
const defaultDeadlineMs = 3_600_000;
/** Of so many calls there is the time, however few attempts a provider has: it also waits for its turn. */
const fewestCalls = 3;

export type Envelope = Pick<
  GeneratePayload,
  'client' | 'clientLimits' | 'share' | 'tags' | 'lane' | 'enqueuedAt' | 'deadlineAt' | 'replyTo' | 'startBy'
>;

type Timing = Pick<GenerateAsk, 'maxWaitMs' | 'timeoutMs' | 'tags'>;

/** `models`: all that may be asked. */
export function toEnvelope(
  { queue, now }: Resources,
  caller: Caller,
  ask: Timing,
  models: readonly { provider: Pick<ProviderConfig, 'timeoutMs' | 'attempts'> }[],
): Envelope {
  const enqueuedAt = now();
  const calling = models.map(
    ({ provider }) => (ask.timeoutMs ?? provider.timeoutMs) * Math.max(fewestCalls, provider.attempts),
  );
  const wanted = (ask.maxWaitMs ?? 0) + Math.max(0, ...calling);
  return {
    client: caller.client,
    ...(hasLimits(caller.limits) && { clientLimits: caller.limits }),
    // The programs of a local user have one name: each front takes turns of its own.
    ...(caller.client === 'local' && { share: queue.replies.stream }),
    tags: [...new Set(ask.tags ?? [])],
    lane: 'interactive',
    enqueuedAt,
    deadlineAt: enqueuedAt + Math.max(defaultDeadlineMs, wanted),
    replyTo: queue.replies.stream,
    ...(ask.maxWaitMs !== undefined && { startBy: enqueuedAt + ask.maxWaitMs }),
  };
}

export function toGeneratePayload(
  requestId: string,
  envelope: Envelope,
  ask: Pick<GenerateAsk, 'messages' | 'settings' | 'timeoutMs'>,
  resolved: ResolvedModel,
  options: { stream: boolean; quiet: boolean; parentId?: string },
): GeneratePayload {
  return {
    ...envelope,
    requestId,
    provider: resolved.provider.id,
    request: { model: resolved.model, messages: ask.messages, settings: ask.settings },
    attempts: resolved.provider.attempts,
    timeoutMs: ask.timeoutMs ?? resolved.provider.timeoutMs,
    stream: options.stream,
    quiet: options.quiet,
    onUnknownOutcome: 'retry',
    warnings: resolved.warnings,
    ...(options.parentId !== undefined && { parentId: options.parentId }),
  };
}

function hasLimits(limits: Caller['limits']): limits is NonNullable<Caller['limits']> {
  return limits !== undefined && Object.values(limits).some((limit) => limit !== undefined);
}
