import {
  comparedModels,
  ComparisonResult,
  type ComparePayload,
  type GeneratePayload,
  GenerationResult,
  type Message,
  ModelManagerError,
  type RequestRecord,
} from '@aimm/contracts';
import { queueOf } from '@aimm/queue';
import { estimateOutput, type ResolvedModel } from '@aimm/catalog';
import { applyPreferences, toAliasName, toOneOf } from './apply-preferences.ts';
import { planBudget, releaseBudget, reserveBudgets, toClaims, withBudget } from './budgets.ts';
import { cancelOnAbort, requireNotAborted } from './abort.ts';
import { cancelComparison, cancelGeneration, toJudgeId } from './cancel-job.ts';
import { chooseModel } from './choose-model.ts';
import { followJudge } from './follow-judge.ts';
import { follow, unwrap } from './follow.ts';
import { tooBusy } from './give-up-waiting.ts';
import type { Accepted, AskOptions, CompareAsk } from './asks.ts';
import type { Caller } from './caller.ts';
import { asCaller, budgetsOf } from './own-budgets.ts';
import { toEnvelope, toGeneratePayload } from './payloads.ts';
import { requireUsableSchema } from './require-usable-schema.ts';
import type { Resources } from './resources.ts';

/** Queues one generation per model and the comparison that joins them. Resolves once all of it is durable. */
export async function compare(
  shared: Resources,
  caller: Caller,
  ask: CompareAsk,
  options: AskOptions = {},
): Promise<Accepted<ComparisonResult>> {
  const resources = asCaller(shared, caller);
  requireNotAborted(options.signal);
  requireSeveral(ask.models);
  await requireUsableSchema(ask.settings);
  const { queue, uuid } = resources;
  const asks = await Promise.all(
    ask.models.map((model) => applyPreferences(resources, caller, { ...toOneOf(ask), model })),
  );
  const chosen = await Promise.all(asks.map((one) => chooseModel(resources, one)));
  const names = chosen.map(({ resolved: { provider, model } }) => `${provider.id}/${model}`);
  requireDistinct(names, ask.models);
  const judge = ask.judge === undefined ? undefined : await chooseJudge(resources, caller, ask, ask.judge);

  const requestId = `cmp_${uuid()}`;
  const { startBy, ...envelope } = toEnvelope(resources, caller, ask, [
    ...chosen.map(({ resolved }) => resolved),
    ...(judge === undefined ? [] : [judge]),
  ]);
  const generations = chosen.map(({ resolved, settings }, index): GeneratePayload => {
    const own = asks[index];
    const { messages } = own ?? ask;
    const complete = { ...ask, messages, settings };
    const started = { ...envelope, ...(startBy !== undefined && { startBy }) };
    const stream = options.stream === true;
    return withBudget(resources, {
      ...toGeneratePayload(`gen_${uuid()}`, started, complete, resolved, {
        stream,
        quiet: options.onProgress === undefined,
        parentId: requestId,
      }),
      // Who sees the columns fill sees one begin again, too.
      ...(stream && { allowRestart: true }),
      ...(own && toAliasName(own)),
    });
  });
  const payload: ComparePayload = {
    ...envelope,
    requestId,
    children: generations.map((generation) => ({
      requestId: generation.requestId,
      provider: generation.provider,
      model: generation.request.model,
    })),
    ...(judge !== undefined && {
      judge: {
        requestId: toJudgeId(requestId),
        provider: judge.provider.id,
        model: judge.model,
        messages: ask.messages,
        attempts: judge.provider.attempts,
        timeoutMs: ask.timeoutMs ?? judge.provider.timeoutMs,
        ...(ask.criteria !== undefined && { criteria: ask.criteria }),
        ...planJudge(resources, ask, generations, judge),
      },
    }),
  };

  const whole = follow(resources, { requestId, provider: 'compare', model: '', deadlineAt: envelope.deadlineAt });
  let finished = 0;
  let answered = 0;
  const parts = generations.map((generation) => followPart(generation));
  // All of them or none, the judge's as well.
  const holders = [...generations, ...(payload.judge === undefined ? [] : [{ ...envelope, ...payload.judge }])];
  const enqueue = async () => {
    // The judge's generation is added by a worker, but its id is the user's as any other.
    if (payload.judge !== undefined) await queue.requests.update(toJudgeRecord(payload, payload.judge));
    await reserveBudgets(resources, toClaims(resources, holders));
    await queue.producer.addComparison(payload, generations).catch((error: unknown) => {
      for (const holder of holders) void releaseBudget(resources, holder);
      throw error;
    });
  };
  await enqueue().catch((error: unknown) => {
    for (const each of [whole, ...parts]) each.stop();
    throw error;
  });
  for (const each of [whole, ...parts, ...chosen]) each.added();

  const detach = cancelOnAbort(options.signal, () => cancelComparison(resources, requestId));
  const result = whole.outcome
    .then((outcome) => unwrap(outcome, (value) => ComparisonResult.parse(value)))
    .finally(detach);
  result.catch(() => undefined);
  return { requestId, models: names, result };

  function followPart(generation: GeneratePayload) {
    const { provider, request } = generation;
    const followed = follow(resources, {
      requestId: generation.requestId,
      provider,
      model: request.model,
      deadlineAt: generation.deadlineAt,
      startBy: generation.startBy,
      onOverdue: () =>
        cancelGeneration(resources, generation.requestId, tooBusy(`${provider}/${request.model}`, provider)),
      ...(options.onProgress !== undefined && {
        onProgress: (event) => {
          const isOfText = event.type === 'text' || event.type === 'reset';
          if (event.type === 'queued' || event.type === 'started') options.onProgress?.(event);
          else if (event.type === 'waiting' || (isOfText && options.stream === true))
            options.onProgress?.({ ...event, provider, model: request.model });
        },
      }),
    });
    void followed.outcome.then((outcome) => {
      finished += 1;
      if (outcome.status === 'succeeded') answered += 1;
      options.onProgress?.({
        type: 'model_finished',
        provider,
        model: request.model,
        finished,
        total: generations.length,
        ...(outcome.status === 'failed' ? { error: outcome.error } : { result: GenerationResult.parse(outcome.value) }),
      });
      const { judge: judged } = payload;
      const { onProgress } = options;
      if (finished < generations.length || answered < 2 || judged === undefined || onProgress === undefined) return;
      followJudge(resources, judged, { onProgress, end: whole.outcome });
    });
    return followed;
  }
}

/** What a judge is told besides question, criteria and answers, in tokens. */
const instructionTokens = 200;

/** What the judge may cost: it reads what was asked, the criteria and every answer. How the models are to answer is not its own. */
function planJudge(
  resources: Resources,
  { messages, criteria = '' }: CompareAsk,
  generations: readonly GeneratePayload[],
  { provider, model }: ResolvedModel,
): Pick<GeneratePayload, 'budget'> {
  const [first] = generations;
  if (first?.budget === undefined && budgetsOf(resources).length === 0) return {};
  if (first === undefined) return {};
  const answers = generations.map(({ provider: id, request }) =>
    estimateOutput(resources.catalog, { ...request, provider: id }),
  );
  const told: Message = { role: 'system', content: [{ type: 'text', text: criteria }] };
  const request = { model, messages: [told, ...messages], settings: {} };
  const { shares } = planBudget(
    resources,
    { client: first.client, provider: provider.id, request },
    answers.reduce((sum, tokens) => sum + tokens, instructionTokens),
  );
  return shares.length === 0 ? {} : { budget: shares };
}

function toJudgeRecord(
  { client, enqueuedAt, deadlineAt }: ComparePayload,
  { requestId, provider, model, budget }: NonNullable<ComparePayload['judge']>,
): RequestRecord {
  return {
    requestId,
    kind: 'generation',
    client,
    createdAt: enqueuedAt,
    queue: queueOf('generate', provider),
    jobId: requestId,
    deadlineAt,
    model: `${provider}/${model}`,
    ...(budget !== undefined && { budget }),
  };
}

/** An alias brings its model only: how a judge is to answer is laid down. */
async function chooseJudge(
  resources: Resources,
  caller: Caller,
  { messages }: CompareAsk,
  model: string,
): Promise<ResolvedModel> {
  const asked = await applyPreferences(resources, caller, { messages, settings: {}, model });
  const { resolved, added } = await chooseModel(resources, { ...asked, messages, settings: {} });
  added();
  return resolved;
}

function requireSeveral({ length }: readonly string[]): void {
  const { least, most } = comparedModels;
  if (length >= least && length <= most) return;
  throw new ModelManagerError('invalid_request', `A comparison takes ${least} to ${most} models, not ${length}.`);
}

/** `names`: what was asked for stands for, in the same order. */
function requireDistinct(names: readonly string[], asked: readonly string[]): void {
  const second = names.findIndex((name, index) => names.indexOf(name) !== index);
  const twice = names[second];
  if (twice === undefined) return;
  const pair = [asked[names.indexOf(twice)], asked[second]];
  const why = pair.every((name) => name === twice) ? '' : ` (${pair.join(' and ')} both stand for it)`;
  throw new ModelManagerError('invalid_request', `${twice} is in the comparison twice${why}.`, {
    hint: 'Name each model once.',
  });
}
