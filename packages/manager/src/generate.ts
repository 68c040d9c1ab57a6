import { type GeneratePayload, GenerationResult, ModelManagerError } from '@aimm/contracts';
import { modelOf, toCachedRow, toSharedResult } from '@aimm/queue';
import { cancelOnAbort, requireNotAborted } from './abort.ts';
import { applyPreferences, namingAlias, type PreparedAsk, toAliasName } from './apply-preferences.ts';
import { withBudget } from './budgets.ts';
import { isCacheable } from './cache-key.ts';
import { cancelGeneration, endFollower } from './cancel-job.ts';
import { avoidCooldown, chooseFallbacks } from './choose-fallbacks.ts';
import { type Choice, chooseModel } from './choose-model.ts';
import { composePrompt, toWholePrompt } from './compose-prompt.ts';
import { type OpenConversation, openConversation, recordTurn, releaseTurn } from './continue-conversation.ts';
import { createSummarise } from './create-summarise.ts';
import { enter } from './enter.ts';
import { follow, unwrap } from './follow.ts';
import { giveUpWaiting } from './give-up-waiting.ts';
import type { Accepted, AskOptions, GenerateAsk, GenerationAnswer } from './asks.ts';
import type { Caller } from './caller.ts';
import { asCaller } from './own-budgets.ts';
import { toEnvelope, toGeneratePayload } from './payloads.ts';
import { requireConfigured } from './require-configured.ts';
import { requireUsableSchema } from './require-usable-schema.ts';
import type { Resources } from './resources.ts';
import { toBroken, toOwnAnswer, toSharing } from './share-answer.ts';
import { requireNothingStored, toCacheWarnings } from './store-content.ts';

/** Queues one generation. Resolves once it is durable; its `result` once it has ended. */
export async function generate(
  shared: Resources,
  caller: Caller,
  given: GenerateAsk,
  options: AskOptions = {},
): Promise<Accepted<GenerationAnswer>> {
  const resources = asCaller(shared, caller);
  requireNotAborted(options.signal);
  requireNothingStored(resources, given);
  await requireUsableSchema(given.settings);
  const ask = await applyPreferences(resources, caller, given);
  const requestId = `gen_${resources.uuid()}`;
  const conversation = await openConversation(resources, caller, ask, requestId);
  try {
    return await enqueue(resources, caller, ask, options, { requestId, conversation });
  } catch (error) {
    if (conversation !== undefined) releaseTurn(resources, conversation, requestId);
    throw error;
  }
}

async function enqueue(
  resources: Resources,
  caller: Caller,
  ask: PreparedAsk,
  options: AskOptions,
  { requestId, conversation }: { requestId: string; conversation: OpenConversation | undefined },
): Promise<Accepted<GenerationAnswer>> {
  const { catalog, now } = resources;
  const choice = await chooseForPrompt(resources, ask, conversation);
  if (ask.settings.responseFormat === undefined) await requireUsableSchema(choice.settings, ask.route);
  const { resolved } = choice;
  const fallbacks = await chooseFallbacks(resources, ask, choice);
  await namingAlias(ask.alias, () => requireConfigured(resources, [resolved, ...fallbacks.models]));
  const prompt = await composePrompt(
    ask,
    choice.settings,
    conversation,
    [resolved, ...fallbacks.models],
    createSummarise(resources, ask, { requestId, conversation }, (summary) =>
      generate(resources, caller, summary, { signal: options.signal }),
    ),
  );
  const complete = { ...ask, messages: prompt.messages, settings: choice.settings };
  const answering = {
    ...resolved,
    warnings: [...resolved.warnings, ...prompt.warnings, ...toCacheWarnings(resources, ask)],
  };

  const envelope = toEnvelope(resources, caller, ask, [resolved, ...fallbacks.models]);
  const first: GeneratePayload = {
    ...toGeneratePayload(requestId, envelope, complete, answering, {
      stream: options.onProgress !== undefined,
      quiet: options.onProgress === undefined,
    }),
    ...(ask.allowRestart === true && { allowRestart: true }),
    ...fallbacks.payload,
    ...(prompt.place !== undefined && { conversation: prompt.place }),
    ...toAliasName(ask),
  };
  const asked = await avoidCooldown(resources, first);
  const model = modelOf(asked);
  const sharing =
    resources.storesContent && isCacheable({ ...ask, settings: choice.settings }, catalog)
      ? toSharing(first, asked, resolved, catalog)
      : undefined;
  const payload = withBudget(resources, { ...asked, ...sharing?.payload });
  const accepted = {
    requestId,
    models: [model],
    ...(prompt.place !== undefined && { conversationId: prompt.place.id }),
  };
  const followed = follow(resources, {
    requestId,
    provider: payload.provider,
    model: payload.request.model,
    deadlineAt: payload.deadlineAt,
    onProgress: options.onProgress,
    startBy: payload.startBy,
    onOverdue: () => giveUpWaiting(resources, requestId, payload),
    allowRestart: ask.allowRestart,
    onBroken: (reason) => endFollower(resources, requestId, toBroken(reason)),
  });
  const entered = await enter(resources, payload, sharing?.cacheKey).catch((error: unknown) => {
    followed.stop();
    throw error;
  });
  if (entered.state === 'cached') {
    followed.stop();
    resources.cachedRows.record(toCachedRow(payload, entered.result, now()));
    const own = toOwnAnswer(payload, toSharedResult(entered.result, requestId), now());
    const answer = await recordTurn(resources, payload, own);
    return { ...accepted, result: Promise.resolve(answer) };
  }
  followed.added();
  choice.added();

  const detach = cancelOnAbort(options.signal, () => cancelGeneration(resources, requestId));

  const result = followed.outcome
    .then((outcome) =>
      recordTurn(
        resources,
        payload,
        unwrap(outcome, (value) => toOwnAnswer(payload, GenerationResult.parse(value), now())),
      ),
    )
    .finally(detach);
  // Whoever drops the promise finds the answer by its id: a rejection nobody waits for must not end the process.
  result.catch(() => undefined);
  return { ...accepted, result };
}

/** A model that takes the whole conversation where one is to be chosen; where none does, one for what is asked now. */
async function chooseForPrompt(
  resources: Resources,
  ask: PreparedAsk,
  conversation: OpenConversation | undefined,
): Promise<Choice> {
  try {
    return await chooseModel(resources, { ...ask, messages: toWholePrompt(ask, conversation) });
  } catch (error) {
    if (conversation === undefined || !(error instanceof ModelManagerError) || error.code !== 'invalid_request')
      throw error;
    return chooseModel(resources, ask);
  }
}
