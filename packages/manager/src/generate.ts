import type { ResolvedModel } from '@aimm/catalog';
import { type GeneratePayload, GenerationResult, ModelManagerError } from '@aimm/contracts';
import { queueOf, toNextHop } from '@aimm/queue';
import { answerCacheTtlMs, toCacheKey } from './cache-key.ts';
import { cancelOnAbort, requireNotAborted } from './abort.ts';
import { cancelGeneration } from './cancel-job.ts';
import { chooseModel } from './choose-model.ts';
import { continueConversation } from './continue-conversation.ts';
import { follow, unwrap } from './follow.ts';
import type { Accepted, AskOptions, Caller, GenerateAsk, GenerationAnswer } from './manager.ts';
import { toEnvelope, toGeneratePayload } from './payloads.ts';
import { requireUsableSchema } from './require-usable-schema.ts';
import type { Resources } from './resources.ts';

/** Queues one generation. Resolves once it is durable; its `result` once it has ended. */
export async function generate(
  resources: Resources,
  caller: Caller,
  ask: GenerateAsk,
  options: AskOptions = {},
): Promise<Accepted<GenerationAnswer>> {
  requireNotAborted(options.signal);
  await requireUsableSchema(ask.settings);
  const { queue, catalog, listing, uuid, now } = resources;
  const resolved = await chooseModel(resources, ask);
  const fallbacks = (ask.fallbacks ?? []).map((name) => catalog.resolveModel(name, listing.known()));
  await requireConfigured(resources, [resolved, ...fallbacks]);
  const conversation = await continueConversation(resources, caller, ask);
  const complete = { ...ask, messages: conversation.messages };
  const requestId = `gen_${uuid()}`;
  const model = `${resolved.provider.id}/${resolved.model}`;

  const cacheKey = ask.cache === true ? toCacheKey(resolved, complete) : undefined;
  const cached = cacheKey === undefined ? undefined : await queue.cache.find(cacheKey);
  if (cached !== undefined) {
    const answer = await conversation.save({ ...cached, requestId, cached: true, calls: 0, costNanoUsd: 0 });
    return { requestId, models: [model], result: Promise.resolve(answer), partialText: () => answer.text };
  }

  const payload: GeneratePayload = {
    ...toGeneratePayload(requestId, toEnvelope(resources, caller, ask), complete, resolved, {
      stream: options.onProgress !== undefined,
      quiet: options.onProgress === undefined,
    }),
    ...(fallbacks.length > 0 && { fallbacks: fallbacks.map(toFallback) }),
    ...(cacheKey !== undefined && { cache: { key: cacheKey, ttlMs: answerCacheTtlMs } }),
  };
  const followed = follow(resources, {
    requestId,
    provider: resolved.provider.id,
    model: resolved.model,
    deadlineAt: payload.deadlineAt,
    onProgress: options.onProgress,
    startBy: payload.startBy,
    onOverdue: () => giveUpWaiting(resources, payload),
  });
  await queue.producer.addGeneration(payload);
  followed.added();

  const detach = cancelOnAbort(options.signal, () => cancelGeneration(resources, requestId));

  const result = followed.outcome
    .then((outcome) => conversation.save(unwrap(outcome, (value) => GenerationResult.parse(value))))
    .finally(detach);
  // Whoever drops the promise finds the answer by its id: a rejection nobody waits for must not end the process.
  result.catch(() => undefined);
  return { requestId, models: [model], result, partialText: () => followed.text() };

  /** `max_wait_seconds` are over and the job still waits: the next fallback gets it, or it ends. */
  async function giveUpWaiting({ queue: { producer } }: Resources, waiting: GeneratePayload): Promise<void> {
    const error = new ModelManagerError('timeout', `${model} was still busy after max_wait_seconds.`, {
      provider: waiting.provider,
      retryable: false,
      hint: 'Allow a longer wait, name fallbacks, or ask with background: true.',
    });
    const next = toNextHop(waiting, error.toShape(), 0, now());
    if (next === undefined) {
      await cancelGeneration(resources, requestId, error);
    } else if ((await producer.cancel(queueOf('generate', waiting.provider), requestId)) === 'removed') {
      await producer.addGeneration(next);
    }
  }
}

/** Says so at once where every worker that reports lacks the key; where none reports, the job waits for one. */
async function requireConfigured({ providers }: Resources, models: readonly ResolvedModel[]): Promise<void> {
  const isPossible = async (fresh: boolean) => {
    const states = await Promise.all(models.map(({ provider }) => providers.isConfigured(provider.id, { fresh })));
    return states.some((state) => state !== false);
  };
  // Before a refusal the workers are looked at again: keys may have come a moment ago.
  if ((await isPossible(false)) || (await isPossible(true))) return;
  const [first] = models;
  const { id, apiKeyVariables } = first?.provider ?? { id: '', apiKeyVariables: [] };
  const [variable] = apiKeyVariables;
  throw new ModelManagerError('authentication', `The provider "${id}" is not configured.`, {
    provider: id,
    hint:
      variable === undefined
        ? `Is it running? check_health shows what "${id}" lacks.`
        : `Set ${variable} where the worker runs (with the local stack: where this client starts), or store a key with \`aimm keys add ${id}\`, then ask again.`,
  });
}

function toFallback({ provider, model, warnings }: ResolvedModel): NonNullable<GeneratePayload['fallbacks']>[number] {
  return { provider: provider.id, model, timeoutMs: provider.timeoutMs, attempts: provider.attempts, warnings };
}
