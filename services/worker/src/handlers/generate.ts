import type { Catalog } from '@aimm/catalog';
import {
  type CallRecord,
  type Checkpoint,
  type GeneratePayload,
  type GenerateReceipt,
  GenerationResult,
  type LedgerRow,
  ModelManagerError,
  type Outcome,
  type Warning,
} from '@aimm/contracts';
import type { ModelProvider } from '@aimm/providers';
import {
  CallFailedError,
  type Handled,
  type Handler,
  type JobContext,
  LockLostError,
  type ResponseCache,
  type Producer,
  toNextHop,
} from '@aimm/queue';
import { toLedgerRow, toUnknownRow } from '../ledger-rows.ts';
import type { LedgerWriter } from '../ledger-writer.ts';
import { type CallReport, makeCall } from '../make-call.ts';
import { nameNearModels } from '../name-near-models.ts';
import type { ProviderSet } from '../provider-set.ts';
import { toGenerationResult } from '../to-generation-result.ts';

export interface GenerateDependencies {
  providers: ProviderSet;
  catalog: Catalog;
  ledger: LedgerWriter;
  cache: ResponseCache;
  producer: Pick<Producer, 'addGeneration'>;
}

/**
 * Makes the call that a generation asks for, and accounts for it exactly once.
 *
 * The checkpoint is written before a call (`started`) and after it, so a run that follows a crash knows whether to
 * answer from the outcome, to record a call of unknown outcome, or to start. The order at the end is: checkpoint with
 * outcome and terminal reply in one write, then the ledger, then the job's completion.
 */
export function createGenerate(dependencies: GenerateDependencies): Handler<'generate'> {
  return async (payload, context) => {
    const run = createGenerationRun(payload, context, dependencies);
    const obstacle = run.findObstacle();
    const opened = await context.open(run.checkpoint(obstacle === undefined ? run.nextCall() : undefined));

    switch (opened.state) {
      case 'fresh':
        if (obstacle !== undefined) return run.fail(obstacle);
        return run.call();
      case 'cancelled':
        run.adopt(opened.checkpoint);
        return run.fail(new ModelManagerError('cancelled', 'The request was cancelled.'));
      case 'settled':
        run.adopt(opened.checkpoint);
        if (opened.outcome.status === 'succeeded') return run.answerAgain(opened.outcome);
        // Settled and stalled after that: the crash came before BullMQ knew. Otherwise someone pressed "retry".
        if (context.stalledCount > (opened.checkpoint?.stalledCount ?? 0))
          return run.failAgain(ModelManagerError.fromShape(opened.outcome.error));
        break;
      case 'resumed':
        run.adopt(opened.checkpoint);
        break;
    }
    const late = run.findObstacle();
    if (late !== undefined) return run.fail(late);
    await run.startNextCall();
    return run.call();
  };
}

function createGenerationRun(payload: GeneratePayload, context: JobContext, dependencies: GenerateDependencies) {
  const { providers, catalog, ledger, cache, producer } = dependencies;
  const model = `${payload.provider}/${payload.request.model}`;
  const provider = providers.find(payload.provider);
  const demo = providers.isDemo(payload.provider);
  let calls: CallRecord[] = [];
  let rows: LedgerRow[] = [];
  let sentText = false;

  const checkpoint = (started?: CallRecord): Checkpoint => {
    if (started !== undefined) calls = [...calls, started];
    return { calls, rows, stalledCount: context.stalledCount };
  };
  const nextCall = (): CallRecord => ({
    number: (payload.callsBefore ?? 0) + calls.length + 1,
    startedAt: Date.now(),
    state: 'started',
  });
  const currentCall = (): CallRecord => {
    const last = calls.at(-1);
    if (last === undefined) throw new TypeError('no call was started');
    return last;
  };
  const endCall = (state: CallRecord['state'], row: LedgerRow) => {
    calls = [...calls.slice(0, -1), { ...currentCall(), state }];
    rows = [...rows, row];
  };
  const receipt = (result: GenerationResult): GenerateReceipt => ({
    requestId: payload.requestId,
    model: `${result.provider}/${result.model}`,
    finishReason: result.finishReason.unified,
    usage: result.usage,
    costNanoUsd: result.costNanoUsd,
    calls: result.calls,
  });

  /** A started call without an outcome is one that a crash hid: it becomes a row of its own. */
  const recordHiddenCall = () => {
    if (calls.at(-1)?.state !== 'started') return false;
    endCall('outcome_unknown', toUnknownRow(payload, { ...currentCall(), demo }));
    return true;
  };

  /** Ends the job for good, or hands the request to its next fallback. */
  const fail = async (error: ModelManagerError): Promise<never> => {
    recordHiddenCall();
    const next = toNextHop(payload, error, calls.length, Date.now());
    if (next !== undefined) {
      if (sentText) context.reply(currentCall().number, { type: 'reset', reason: error.toShape() });
      await producer.addGeneration(next);
    }
    await context.settle({ status: 'failed', error: error.toShape() }, checkpoint(), { silently: next !== undefined });
    await ledger.record(rows);
    throw new CallFailedError({ action: 'stop', error });
  };

  const failCall = async (report: CallReport, error: ModelManagerError): Promise<never> => {
    const row = toLedgerRow(payload, { ...currentCall(), demo }, report, catalog);
    endCall(error.code === 'cancelled' ? 'cancelled' : 'failed', row);
    // Taken over while the call ran: nothing of the job is ours to write, but what the call cost is known here only.
    if (context.signal.reason instanceof LockLostError) {
      await ledger.record([row]);
      throw context.signal.reason;
    }
    const decision = context.decide(error);
    if (decision.action === 'stop') return fail(decision.error);
    await context.save(checkpoint());
    const attempt = currentCall().number;
    if (sentText) context.reply(attempt, { type: 'reset', reason: error.toShape() });
    if (decision.action === 'pause')
      context.reply(attempt, { type: 'waiting', untilMs: Date.now() + decision.delayMs, reason: error.toShape() });
    await ledger.record(rows);
    throw new CallFailedError(decision);
  };

  const succeed = async (report: CallReport): Promise<Handled<'generate'>> => {
    const row = toLedgerRow(payload, { ...currentCall(), demo }, report, catalog);
    endCall('succeeded', row);
    const result = toGenerationResult(payload, report, {
      costNanoUsd: row.costNanoUsd,
      calls: currentCall().number,
      firstStartedAt: calls[0]?.startedAt ?? currentCall().startedAt,
      warnings: ownWarnings(),
    });
    await context.settle({ status: 'succeeded', value: result }, checkpoint());
    await ledger.record(rows);
    if (payload.cache !== undefined) await cache.keep(payload.cache.key, result, payload.cache.ttlMs);
    return { value: result, receipt: receipt(result) };
  };

  const ownWarnings = (): Warning[] => [
    ...(demo
      ? [
          {
            code: 'demo' as const,
            message: 'Demo: a local stand-in answered; no vendor was asked and nothing was billed.',
          },
        ]
      : []),
    ...(calls.some(({ state }) => state === 'outcome_unknown')
      ? [
          {
            code: 'repeated_call' as const,
            message: 'An earlier call for this request was cut off by a crash; it may have been billed as well.',
          },
        ]
      : []),
  ];

  return {
    checkpoint,
    nextCall,
    fail,
    adopt(earlier: Checkpoint | undefined) {
      calls = earlier?.calls ?? [];
      rows = earlier?.rows ?? [];
    },

    /** Why no call may be made, where that is so. */
    findObstacle(): ModelManagerError | undefined {
      const now = Date.now();
      if (context.signal.aborted) return toCancelled(context.signal.reason);
      if (now >= payload.deadlineAt) return tooLate('The request waited past its deadline.', payload.provider);
      if (payload.startBy !== undefined && now >= payload.startBy)
        return tooLate('The request waited longer than max_wait_seconds allows.', payload.provider);
      return provider === undefined || !provider.isAvailable() ? notConfigured(payload.provider, catalog) : undefined;
    },

    async startNextCall() {
      const wasHidden = recordHiddenCall();
      if (wasHidden && payload.onUnknownOutcome === 'fail') await fail(cutOff(model, payload.provider));
      const call = nextCall();
      await context.save(checkpoint(call));
      // Whoever waits may have text of the call that was cut off; its worker cannot take it back any more.
      if (wasHidden) context.reply(call.number, { type: 'reset', reason: cutOff(model, payload.provider).toShape() });
    },

    async call(): Promise<Handled<'generate'>> {
      const attempt = currentCall().number;
      if (payload.quiet !== true) context.reply(attempt, { type: 'started' });
      const report = await makeCall(required(provider), payload.request, {
        signal: context.signal,
        timeoutMs: Math.min(payload.timeoutMs, Math.max(1, payload.deadlineAt - Date.now())),
        onText(text, soFar) {
          sentText = true;
          if (payload.stream) context.reply(attempt, { type: 'text', text });
          context.keepPartialText(soFar);
        },
        onReasoning(text) {
          if (payload.stream) context.reply(attempt, { type: 'reasoning', text });
        },
      });
      if (report.error === undefined) return succeed(report);
      const error = nameNearModels(report.error, payload, catalog);
      return failCall(report, context.signal.aborted ? toCancelled(context.signal.reason) : error);
    },

    /** The call was made and answered before the crash: tell it again, account for it again (idempotently), call nobody. */
    async answerAgain(outcome: Extract<Outcome, { status: 'succeeded' }>): Promise<Handled<'generate'>> {
      const result = GenerationResult.parse(outcome.value);
      await context.settle(outcome);
      await ledger.record(rows);
      return { value: result, receipt: receipt(result) };
    },

    async failAgain(error: ModelManagerError): Promise<never> {
      await context.settle({ status: 'failed', error: error.toShape() });
      await ledger.record(rows);
      throw new CallFailedError({ action: 'stop', error });
    },
  };
}

function required(provider: ModelProvider | undefined): ModelProvider {
  if (provider === undefined) throw new TypeError('the provider was checked before the call');
  return provider;
}

function toCancelled(reason: unknown): ModelManagerError {
  return reason instanceof ModelManagerError ? reason : new ModelManagerError('cancelled', 'The call was stopped.');
}

function cutOff(model: string, provider: string): ModelManagerError {
  return new ModelManagerError(
    'outcome_unknown',
    `A call to ${model} was cut off by a crash; whether it was answered or billed is unknown.`,
    { provider, hint: 'Ask again if another call is wanted.' },
  );
}

function tooLate(message: string, provider: string): ModelManagerError {
  return new ModelManagerError('timeout', message, {
    provider,
    retryable: false,
    hint: 'check_health shows how busy the provider is; give the request more time or ask another model.',
  });
}

function notConfigured(id: string, catalog: Catalog): ModelManagerError {
  const variable = catalog.findProvider(id)?.apiKeyVariables[0];
  return new ModelManagerError('authentication', `The provider "${id}" is not configured: it has no API key.`, {
    provider: id,
    hint:
      variable === undefined
        ? 'config/providers.json describes it.'
        : `Set ${variable} where the worker (or the client that starts the local stack) runs.`,
  });
}
