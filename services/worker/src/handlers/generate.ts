import type { Catalog, TokenEstimator } from '@aimm/catalog';
import {
  type GeneratePayload,
  GenerationResult,
  ModelManagerError,
  type Outcome,
  type UnfitAnswer,
} from '@aimm/contracts';
import {
  CallFailedError,
  type Handled,
  type Handler,
  type JobContext,
  LockLostError,
  type Producer,
  type ResponseCache,
  toNextHop,
} from '@aimm/queue';
import { type AccountedCall, accountForCall } from '../account-for-call.ts';
import { createCallLog } from '../call-log.ts';
import type { CallMetrics } from '../call-metrics.ts';
import { cutOff, notConfigured, tooLate, toCancelled } from '../generation-errors.ts';
import { type ProviderKey, toKeyFault } from '../key-ring.ts';
import { toLedgerRow } from '../ledger-rows.ts';
import type { LedgerWriter } from '../ledger-writer.ts';
import { makeCall } from '../make-call.ts';
import { nameNearModels } from '../name-near-models.ts';
import type { ProviderSet } from '../provider-set.ts';
import { checkAnswer, isMended, stillUnfit, toRepairRequest } from '../structured-output.ts';
import { toGenerationReceipt, toGenerationResult } from '../to-generation-result.ts';

export interface GenerateDependencies {
  providers: ProviderSet;
  catalog: Catalog;
  tokens: TokenEstimator;
  ledger: LedgerWriter;
  cache: ResponseCache;
  producer: Pick<Producer, 'addGeneration'>;
  metrics: CallMetrics;
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
    const opened = await run.open();
    const foundAt = opened.state === 'fresh' ? undefined : opened.checkpoint?.stalledCount;
    if (foundAt !== undefined && context.stalledCount > foundAt) dependencies.metrics.recovered(payload.provider);
    switch (opened.state) {
      case 'fresh':
        return run.call();
      case 'cancelled':
        return run.fail(new ModelManagerError('cancelled', 'The request was cancelled.'));
      case 'settled':
        if (opened.outcome.status === 'succeeded') return run.answerAgain(opened.outcome);
        // Settled and stalled after that: the crash came before BullMQ knew. Otherwise someone pressed "retry".
        if (context.stalledCount > (opened.checkpoint?.stalledCount ?? 0)) {
          return run.end(opened.outcome, ModelManagerError.fromShape(opened.outcome.error));
        }
        return run.callAgain();
      case 'resumed':
        return run.callAgain();
    }
  };
}

type Answered = Handled<'generate'>;

function createGenerationRun(payload: GeneratePayload, context: JobContext, dependencies: GenerateDependencies) {
  const { providers, catalog, ledger, cache, producer, metrics } = dependencies;
  const model = `${payload.provider}/${payload.request.model}`;
  const ring = providers.find(payload.provider);
  const demo = providers.isDemo();
  const log = createCallLog(payload, { stalledCount: context.stalledCount, demo, onEnd: (row) => metrics.ended(row) });
  /** Keys that the provider refused in this run. */
  const refused = new Set<ProviderKey>();
  let sentText = false;

  /** Why no call may be made, where that is so. */
  function findObstacle(): ModelManagerError | undefined {
    const now = Date.now();
    if (context.signal.aborted) return toCancelled(context.signal.reason);
    if (now >= payload.deadlineAt) return tooLate('The request waited past its deadline.', payload.provider);
    if (payload.startBy !== undefined && now >= payload.startBy) {
      return tooLate('The request waited longer than max_wait_seconds allows.', payload.provider);
    }
    return ring?.isAvailable() === true ? undefined : notConfigured(payload.provider, catalog, ring?.problem);
  }

  /** Reads what earlier runs left; where there is nothing and nothing stands in the way, the first call counts as started. */
  async function open() {
    const obstacle = findObstacle();
    if (obstacle === undefined) log.start();
    const opened = await context.open(log.checkpoint());
    if (opened.state === 'fresh' && obstacle !== undefined) return fail(obstacle);
    if (opened.state !== 'fresh') log.adopt(opened.checkpoint);
    return opened;
  }

  /** Ends the job for good, or hands the request to its next fallback. */
  async function fail(error: ModelManagerError): Promise<never> {
    log.endHidden();
    const next = toNextHop(payload, error, log.calls.length, Date.now());
    if (next !== undefined && sentText) {
      context.reply(log.current().number, { type: 'reset', reason: error.toShape() });
    }
    return end({ status: 'failed', error: error.toShape(), ...(next !== undefined && { continues: true }) }, error);
  }

  /** Settled before the fallback is queued, which can be repeated: a crash between the two leads back here, to no other call. */
  async function end(outcome: Extract<Outcome, { status: 'failed' }>, error: ModelManagerError): Promise<never> {
    await context.settle(outcome, log.checkpoint());
    const next =
      outcome.continues === true ? toNextHop(payload, outcome.error, log.calls.length, Date.now()) : undefined;
    if (next !== undefined) await producer.addGeneration(next);
    await ledger.record(log.rows);
    throw new CallFailedError({ action: 'stop', error });
  }

  async function failCall(report: AccountedCall, error: ModelManagerError): Promise<Answered> {
    log.end(error.code === 'cancelled' ? 'cancelled' : 'failed', toRow(report));
    if (context.signal.reason instanceof LockLostError) throw context.signal.reason;
    if (toKeyFault(error) !== undefined && ring?.hasNext(refused) === true) {
      // At once and at no attempt's cost: the provider is well, and so may the next key be.
      if (sentText) context.reply(log.current().number, { type: 'reset', reason: error.toShape() });
      return callAgain();
    }
    const decision = context.decide(error);
    if (decision.action === 'stop') return fail(decision.error);
    await context.save(log.checkpoint());
    const attempt = log.current().number;
    if (sentText) context.reply(attempt, { type: 'reset', reason: error.toShape() });
    if (decision.action === 'pause') {
      metrics.paused(payload.provider, error.code);
      context.reply(attempt, { type: 'waiting', untilMs: Date.now() + decision.delayMs, reason: error.toShape() });
    }
    await ledger.record(log.rows);
    throw new CallFailedError(decision);
  }

  async function succeed(report: AccountedCall): Promise<Answered> {
    log.end('succeeded', toRow(report));
    const checked = await checkAnswer({ ...payload, demo }, report);
    if (checked.state === 'hopeless') return fail(checked.error);
    if (checked.state === 'unfit') return mend(checked.unfit);
    const { calls, rows } = log;
    const result = toGenerationResult(payload, report, { calls, rows, demo, structured: checked.structured });
    await context.settle({ status: 'succeeded', value: result }, log.checkpoint());
    await ledger.record(log.rows);
    if (payload.cache !== undefined) await cache.keep(payload.cache.key, result, payload.cache.ttlMs);
    return { value: result, receipt: toGenerationReceipt(result) };
  }

  /** One further call, with a row of its own; that it is due is in the checkpoint, so a crash adds no second one. */
  async function mend(unfit: UnfitAnswer): Promise<Answered> {
    const again = log.unfit !== undefined;
    log.keepUnfit(again ? undefined : unfit);
    if (again) return fail(stillUnfit(payload, unfit));
    if (sentText) context.reply(log.current().number, { type: 'reset', reason: isMended(payload).toShape() });
    return callAgain();
  }

  async function call(): Promise<Answered> {
    const { unfit } = log;
    const request = unfit === undefined ? payload.request : toRepairRequest(payload.request, unfit);
    const { number: attempt, startedAt } = log.current();
    if (payload.quiet !== true) context.reply(attempt, { type: 'started' });
    // Another job may have had the last good key set aside since this one looked: then any will do.
    const key = required(ring?.next(refused) ?? ring?.next());
    const made = await makeCall(key.provider, request, {
      signal: context.signal,
      onResponse: ({ headers }) => ring?.noteResponse(headers),
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
    const report = accountForCall({ ...payload, request }, startedAt, made, dependencies);
    ring?.report(key, report.error);
    if (toKeyFault(report.error) !== undefined) refused.add(key);
    try {
      if (report.error === undefined) return await succeed(report);
      const error = context.signal.aborted
        ? toCancelled(context.signal.reason)
        : nameNearModels(report.error, payload, catalog);
      return await failCall(report, error);
    } catch (thrown) {
      // Taken over while the call ran: nothing of the job is ours to write, but what the call cost is known here only.
      if (thrown instanceof LockLostError) await ledger.record(log.rows.slice(-1));
      throw thrown;
    }
  }

  async function callAgain(): Promise<Answered> {
    const obstacle = findObstacle();
    if (obstacle !== undefined) return fail(obstacle);
    const wasHidden = log.endHidden();
    if (wasHidden && payload.onUnknownOutcome === 'fail') return fail(cutOff(model, payload.provider));
    if (wasHidden) metrics.repeated(payload.provider);
    const { number } = log.start();
    await context.save(log.checkpoint());
    // Whoever waits may have text of the call that was cut off; its worker cannot take it back any more.
    if (wasHidden) context.reply(number, { type: 'reset', reason: cutOff(model, payload.provider).toShape() });
    return call();
  }

  /** The call was made and answered before the crash: tell it again, account for it again (idempotently), call nobody. */
  async function answerAgain(outcome: Extract<Outcome, { status: 'succeeded' }>): Promise<Answered> {
    const result = GenerationResult.parse(outcome.value);
    await context.settle(outcome);
    await ledger.record(log.rows);
    return { value: result, receipt: toGenerationReceipt(result) };
  }

  const toRow = (report: AccountedCall) => toLedgerRow(payload, { ...log.current(), demo }, report);
  return { open, fail, call, callAgain, answerAgain, end };
}

function required(key: ProviderKey | undefined): ProviderKey {
  if (key === undefined) throw new TypeError('that there is a key was checked before the call');
  return key;
}
