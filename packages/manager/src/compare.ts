import {
  ComparisonResult,
  type ComparePayload,
  type GeneratePayload,
  GenerationResult,
  ModelManagerError,
  type RequestRecord,
} from '@aimm/contracts';
import { queueOf } from '@aimm/queue';
import { cancelOnAbort, requireNotAborted } from './abort.ts';
import { cancelComparison, cancelGeneration, toJudgeId } from './cancel-job.ts';
import { follow, unwrap } from './follow.ts';
import type { Accepted, AskOptions, Caller, CompareAsk } from './manager.ts';
import { toEnvelope, toGeneratePayload } from './payloads.ts';
import { requireUsableSchema } from './require-usable-schema.ts';
import type { Resources } from './resources.ts';

/** Queues one generation per model and the comparison that joins them. Resolves once all of it is durable. */
export async function compare(
  resources: Resources,
  caller: Caller,
  ask: CompareAsk,
  options: AskOptions = {},
): Promise<Accepted<ComparisonResult>> {
  requireNotAborted(options.signal);
  await requireUsableSchema(ask.settings);
  const { queue, catalog, listing, uuid } = resources;
  const resolved = ask.models.map((name) => catalog.resolveModel(name, listing.known()));
  const names = resolved.map(({ provider, model }) => `${provider.id}/${model}`);
  requireDistinct(names);
  const judge = ask.judge === undefined ? undefined : catalog.resolveModel(ask.judge, listing.known());

  const requestId = `cmp_${uuid()}`;
  const { startBy, ...envelope } = toEnvelope(resources, caller, ask);
  const generations = resolved.map((model): GeneratePayload =>
    toGeneratePayload(`gen_${uuid()}`, { ...envelope, ...(startBy !== undefined && { startBy }) }, ask, model, {
      stream: false,
      quiet: options.onProgress === undefined,
      parentId: requestId,
    }),
  );
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
      },
    }),
  };

  const whole = follow(resources, { requestId, provider: 'compare', model: '', deadlineAt: envelope.deadlineAt });
  let finished = 0;
  const parts = generations.map((generation) => followPart(generation));
  // The judge's generation is added by a worker, but its id is the user's as any other.
  if (payload.judge !== undefined) await queue.requests.update(toJudgeRecord(payload, payload.judge));
  await queue.producer.addComparison(payload, generations);
  for (const followed of [whole, ...parts]) followed.added();

  const detach = cancelOnAbort(options.signal, () => cancelComparison(resources, requestId));
  const result = whole.outcome
    .then((outcome) => unwrap(outcome, (value) => ComparisonResult.parse(value)))
    .finally(detach);
  result.catch(() => undefined);
  return { requestId, models: names, result, partialText: () => '' };

  function followPart(generation: GeneratePayload) {
    const { provider, request } = generation;
    const followed = follow(resources, {
      requestId: generation.requestId,
      provider,
      model: request.model,
      deadlineAt: generation.deadlineAt,
      startBy: generation.startBy,
      onOverdue: () => cancelGeneration(resources, generation.requestId, tooBusy(provider, request.model)),
      ...(options.onProgress !== undefined && {
        onProgress: (event) =>
          (event.type === 'queued' || event.type === 'started' || event.type === 'waiting') &&
          options.onProgress?.(event),
      }),
    });
    void followed.outcome.then((outcome) => {
      finished += 1;
      options.onProgress?.({
        type: 'model_finished',
        provider,
        model: request.model,
        finished,
        total: generations.length,
        ...(outcome.status === 'failed' ? { error: outcome.error } : { result: GenerationResult.parse(outcome.value) }),
      });
    });
    return followed;
  }
}

function toJudgeRecord(
  { client, enqueuedAt, deadlineAt }: ComparePayload,
  { requestId, provider, model }: NonNullable<ComparePayload['judge']>,
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
  };
}

function requireDistinct(names: readonly string[]): void {
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice === undefined) return;
  throw new ModelManagerError('invalid_request', `${twice} is in the comparison twice.`, {
    hint: 'Name each model once.',
  });
}

function tooBusy(provider: string, model: string): ModelManagerError {
  return new ModelManagerError('timeout', `${provider}/${model} was still busy after max_wait_seconds.`, {
    provider,
    retryable: false,
  });
}
