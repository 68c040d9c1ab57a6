import type { ResolvedModel } from '@aimm/catalog';
import { type GeneratePayload, GenerationResult, ModelManagerError } from '@aimm/contracts';
import { modelOf, toCachedRow, toSharedResult } from '@aimm/queue';
import { cancelOnAbort, requireNotAborted } from './abort.ts';
import { withBudget } from './budgets.ts';
import { isCacheable } from './cache-key.ts';
import { cancelGeneration } from './cancel-job.ts';
import { avoidCooldown, chooseFallbacks } from './choose-fallbacks.ts';
import { chooseModel } from './choose-model.ts';
import { continueConversation } from './continue-conversation.ts';
import { enter } from './enter.ts';
import { follow, unwrap } from './follow.ts';
import { giveUpWaiting } from './give-up-waiting.ts';
import type { Accepted, AskOptions, Caller, GenerateAsk, GenerationAnswer } from './manager.ts';
import { asCaller } from './own-budgets.ts';
import { toEnvelope, toGeneratePayload } from './payloads.ts';
import { requireUsableSchema } from './require-usable-schema.ts';
import type { Resources } from './resources.ts';
import { toOwnAnswer, toSharing } from './share-answer.ts';

/** Queues one generation. Resolves once it is durable; its `result` once it has ended. */
export async function generate(
  shared: Resources,
  caller: Caller,
  ask: GenerateAsk,
  options: AskOptions = {},
): Promise<Accepted<GenerationAnswer>> {
  const resources = asCaller(shared, caller);
  requireNotAborted(options.signal);
  await requireUsableSchema(ask.settings);
  const { catalog, uuid, now } = resources;
  const conversation = await continueConversation(resources, caller, ask);
  const choice = await chooseModel(resources, { ...ask, messages: conversation.messages });
  const { resolved } = choice;
  const fallbacks = await chooseFallbacks(resources, ask, choice);
  await requireConfigured(resources, [resolved, ...fallbacks.models]);
  const complete = { ...ask, messages: conversation.messages, settings: choice.settings };
  const requestId = `gen_${uuid()}`;

  const first: GeneratePayload = {
    ...toGeneratePayload(requestId, toEnvelope(resources, caller, ask), complete, resolved, {
      stream: options.onProgress !== undefined,
      quiet: options.onProgress === undefined,
    }),
    ...(ask.allowRestart === true && { allowRestart: true }),
    ...fallbacks.payload,
  };
  const asked = await avoidCooldown(resources, first);
  const model = modelOf(asked);
  const sharing = isCacheable({ ...ask, settings: choice.settings }, catalog)
    ? toSharing(first, asked, resolved, catalog)
    : undefined;
  const payload = withBudget(resources, { ...asked, ...sharing?.payload });
  const followed = follow(resources, {
    requestId,
    provider: payload.provider,
    model: payload.request.model,
    deadlineAt: payload.deadlineAt,
    onProgress: options.onProgress,
    startBy: payload.startBy,
    onOverdue: () => giveUpWaiting(resources, requestId, payload),
  });
  const entered = await enter(resources, payload, sharing?.cacheKey).catch((error: unknown) => {
    followed.stop();
    throw error;
  });
  if (entered.state === 'cached') {
    followed.stop();
    resources.cachedRows.record(toCachedRow(payload, entered.result, now()));
    const answer = await conversation.save(toOwnAnswer(payload, toSharedResult(entered.result, requestId), now()));
    return { requestId, models: [model], result: Promise.resolve(answer), partialText: () => answer.text };
  }
  followed.added();
  choice.added();

  const detach = cancelOnAbort(options.signal, () => cancelGeneration(resources, requestId));

  const result = followed.outcome
    .then((outcome) =>
      conversation.save(unwrap(outcome, (value) => toOwnAnswer(payload, GenerationResult.parse(value), now()))),
    )
    .finally(detach);
  // Whoever drops the promise finds the answer by its id: a rejection nobody waits for must not end the process.
  result.catch(() => undefined);
  return { requestId, models: [model], result, partialText: () => followed.text() };
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
