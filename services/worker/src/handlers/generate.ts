import type { Catalog, TokenEstimator } from '@aimm/catalog';
import {
  type Checkpoint,
  type GeneratePayload,
  GenerationResult,
  ModelManagerError,
  type Outcome,
  type Reply,
  type UnfitAnswer,
} from '@aimm/contracts';
import {
  type AdmissionNeed,
  type Aside,
  type Budgets,
  CallFailedError,
  type Cooldowns,
  type Decision,
  type Handled,
  type Handler,
  hasFreeHop,
  type KeyLeases,
  type JobContext,
  LockLostError,
  modelOf,
  type NotStarted,
  type Opened,
  type Pass,
  type Producer,
  type Refusal,
  toCachedRow,
  toCharge,
  toCooldownError,
  toNextHop,
  toSuccessor,
} from '@aimm/queue';
import { type AccountedCall, accountForCall } from '../account-for-call.ts';
import type { AdmissionNeeds } from '../admission-need.ts';
import type { BatchRecorder } from '../batch/batch-recorder.ts';
import { createCallLog } from '../call-log.ts';
import type { CallMetrics } from '../call-metrics.ts';
import { findObstacle } from '../find-obstacle.ts';
import { fitConversation } from '../fit-conversation.ts';
import { cutOff, toBrokenOff, toCancelled } from '../generation-errors.ts';
import { type ProviderKey, toKeyFault } from '../key-ring.ts';
import { toLedgerRow, toOwedRows } from '../ledger-rows.ts';
import type { LedgerWriter } from '../ledger-writer.ts';
import { makeCall } from '../make-call.ts';
import { nameNearModels } from '../name-near-models.ts';
import type { PaceKeeper } from '../pace-keeper.ts';
import type { ProviderSet } from '../provider-set.ts';
import { checkAnswer, isMended, stillUnfit, toRepairRequest } from '../structured-output.ts';
import { takeKey } from '../take-key.ts';
import { toGenerationReceipt, toGenerationResult } from '../to-generation-result.ts';
import type { TurnWriter } from '../turn-writer.ts';
import { waitForTurn } from '../wait-for-turn.ts';

export interface GenerateDependencies {
  providers: ProviderSet;
  catalog: Catalog;
  tokens: TokenEstimator;
  ledger: LedgerWriter;
  turns: TurnWriter;
  /** Where a batch's generations end. */
  batches: Pick<BatchRecorder, 'record'>;
  producer: Pick<Producer, 'addGeneration'>;
  budgets: Pick<Budgets, 'reopen'>;
  cooldowns: Cooldowns;
  needs: AdmissionNeeds;
  pace: PaceKeeper;
  metrics: CallMetrics;
  keyLeases: KeyLeases;
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
    try {
      return await start(run, payload, context);
    } finally {
      run.leave();
    }
  };

  async function start(
    run: ReturnType<typeof createGenerationRun>,
    { provider }: GeneratePayload,
    context: JobContext,
  ): Promise<Answered> {
    const opened = await run.open();
    const foundAt = opened.state === 'fresh' ? undefined : opened.checkpoint?.stalledCount;
    if (foundAt !== undefined && context.stalledCount > foundAt) dependencies.metrics.recovered(provider);
    switch (opened.state) {
      case 'fresh':
        return run.call();
      case 'cancelled':
        return run.fail(new ModelManagerError('cancelled', 'The request was cancelled.'));
      case 'settled':
        if (opened.outcome.status === 'succeeded') return run.answerAgain(opened.outcome);
        // Settled and stalled after that: the crash came before BullMQ knew. Otherwise someone pressed "retry".
        // A request that goes on elsewhere is not called here again, however its job comes back.
        if (opened.outcome.continues === true || context.stalledCount > (opened.checkpoint?.stalledCount ?? 0)) {
          return run.end(opened.outcome, ModelManagerError.fromShape(opened.outcome.error));
        }
        return run.startAnew(opened.checkpoint);
      case 'resumed':
        return run.callAgain();
    }
  }
}

type Answered = Handled<'generate'>;
type WaitingReason = Extract<Reply, { type: 'waiting' }>['why'];

function createGenerationRun(payload: GeneratePayload, context: JobContext, dependencies: GenerateDependencies) {
  const { providers, catalog, ledger, turns, batches, producer, budgets, cooldowns, needs, pace, metrics, keyLeases } =
    dependencies;
  const model = modelOf(payload);
  /** What this model is asked of it. */
  const fitted = fitConversation(payload, dependencies);
  /** No call starts later. */
  const latest = Math.min(payload.deadlineAt, payload.startBy ?? Number.POSITIVE_INFINITY);
  const ring = providers.find(payload.provider);
  const demo = providers.isDemo();
  const log = createCallLog(payload, {
    stalledCount: context.stalledCount,
    demo,
    now: context.now,
    onEnd: (row) => metrics.ended(row),
  });
  /** Keys that the provider refused in this run. */
  const refused = new Set<ProviderKey>();
  /** Others may listen, whether or not the request itself does. */
  const isShared = payload.flight !== undefined;
  let sentText = false;
  /** The way to the model, for this run; or why it is not free. */
  let pass: Pass | undefined;
  let aside: Aside | undefined;

  const obstacle = () => findObstacle(payload, { ring, catalog, signal: context.signal, now: context.now() });

  /** Reads what earlier runs left; where there is nothing and nothing stands in the way, the first call counts as started. */
  async function open(): Promise<Exclude<Opened, NotStarted>> {
    const found = obstacle();
    if (found === undefined && pass === undefined && aside === undefined) await enter();
    const isFree = found === undefined && aside === undefined;
    if (isFree) log.start();
    const opened = await context.open(log.checkpoint(), isFree ? need() : undefined);
    if (opened.state === 'refused' || opened.state === 'aside') {
      await waitToStart(opened);
      return open();
    }
    if (opened.state === 'fresh' && found !== undefined) return fail(found);
    if (opened.state === 'fresh' && aside !== undefined) return stepAside(aside);
    if (opened.state !== 'fresh') log.adopt(opened.checkpoint);
    return opened;
  }

  let needed: AdmissionNeed | undefined;
  const need = () => ({ ...(needed ??= needs.toNeed(fitted)), freeOf: pass?.freeOf });

  /** Returns when the call may ask again to start. */
  async function waitToStart(notStarted: NotStarted): Promise<void> {
    if (notStarted.state === 'refused') return takeTurn(notStarted.refusal);
    log.takeBack();
    await enter({ turnedOut: true });
  }

  /** Returns when it is the call's turn to ask its limits again; a job whose turn is far gives up its slot. */
  async function takeTurn(refusal: Refusal): Promise<void> {
    log.takeBack();
    const turn = await waitForTurn(refusal, {
      latest,
      now: context.now(),
      provider: payload.provider,
      signal: context.signal,
    });
    if (context.signal.reason instanceof LockLostError) throw context.signal.reason;
    if (turn.state === 'now') {
      const decision = context.signal.aborted ? context.decide(toCancelled(context.signal.reason)) : undefined;
      if (decision?.action !== 'hand_back') return;
      if (log.calls.length > 0) await context.save(log.checkpoint());
      throw new CallFailedError(decision);
    }
    if (turn.state === 'never') return fail(turn.error);
    // The first call of a job that was not admitted leaves nothing behind.
    if (log.calls.length > 0) await context.save(log.checkpoint());
    return putBack(turn.decision, { untilMs: turn.untilMs, why: 'rate_limit' });
  }

  /** The job gives up its slot and comes back; `waiting` is told to whoever waits for it. */
  async function putBack(decision: Decision, waiting?: { untilMs: number; why?: WaitingReason }): Promise<never> {
    if (waiting !== undefined) {
      const attempt = log.calls.at(-1)?.number ?? payload.callsBefore ?? 0;
      context.reply(attempt, { type: 'waiting', reason: decision.error.toShape(), ...waiting });
    }
    await ledger.record(log.rows);
    throw new CallFailedError(decision);
  }

  const isAside = (provider: string, name: string) => cooldowns.find(provider, name) !== undefined;

  async function enter({ turnedOut = false } = {}): Promise<void> {
    const { provider, request } = payload;
    const known = cooldowns.find(provider, request.model);
    const hasNoOther =
      known === undefined ||
      !hasFreeHop(payload, toCooldownError(known, context.now()).toShape(), context.now(), isAside);
    const entrance = await cooldowns.enter(provider, request.model, { wait: hasNoOther, turnedOut });
    pass = 'pass' in entrance ? entrance.pass : undefined;
    aside = 'aside' in entrance ? entrance.aside : undefined;
  }

  /** The model is set aside: the next fallback that is not has the request, or it waits its turn, at no attempt's cost. */
  async function stepAside({ delayMs, error }: Aside): Promise<never> {
    if (hasFreeHop(payload, error.toShape(), context.now(), isAside)) return fail(error);
    const leftMs = latest - context.now();
    if ((error.retryAfterMs ?? 0) >= leftMs) return fail(error);
    const forMs = Math.max(1, Math.min(delayMs, leftMs));
    if (log.endHidden()) takeBackCutOff();
    await context.save(log.checkpoint());
    return putBack({ action: 'delay', delayMs: forMs, error }, { untilMs: context.now() + forMs });
  }

  /** Ends the job for good, or hands the request to its next fallback. */
  async function fail(error: ModelManagerError): Promise<never> {
    const wasHidden = log.endHidden();
    const next = toNextHop(payload, error, log.calls.length, context.now(), { isAside });
    if (next !== undefined && (sentText || wasHidden)) {
      context.reply(log.current().number, { type: 'reset', reason: error.toShape() });
    }
    const goesOn = next && { continues: true, next: modelOf(next) };
    return end({ status: 'failed', error: error.toShape(), ...goesOn }, error);
  }

  /** Settled before the fallback is queued, which can be repeated: a crash between the two leads back here, to no other call. */
  async function end(outcome: Extract<Outcome, { status: 'failed' }>, error: ModelManagerError): Promise<never> {
    await context.settle(outcome, log.checkpoint());
    const next = toSuccessor(payload, outcome, log);
    // Whoever cancels it from here on finds that it goes on elsewhere.
    if (next !== undefined && (await context.isCancelled())) return fail(toCancelled(undefined));
    if (next !== undefined) await producer.addGeneration(next);
    await Promise.all([ledger.record(log.rows), batches.record(payload, outcome, log.rows)]);
    throw new CallFailedError({ action: 'stop', error });
  }

  async function failCall(report: AccountedCall, error: ModelManagerError): Promise<Answered> {
    log.end(error.code === 'cancelled' ? 'cancelled' : 'failed', toRow(report));
    if (context.signal.reason instanceof LockLostError) throw context.signal.reason;
    // What somebody has read is not taken back, unless the request says so; another model may be asked where it names one.
    const isShown = payload.stream && report.text !== '' && payload.allowRestart !== true;
    if (!isShown && toKeyFault(error) !== undefined && ring?.hasNext(refused) === true) {
      // At once and at no attempt's cost: the provider is well, and so may the next key be.
      if (sentText) context.reply(log.current().number, { type: 'reset', reason: error.toShape(), again: true });
      return callAgain();
    }
    const decision = context.decide(error, log.calls.length);
    if (decision.action === 'stop' || isShown) await context.hold(decision);
    if (decision.action === 'stop') return fail(isShown ? toBrokenOff(decision.error) : decision.error);
    if (isShown && decision.action !== 'hand_back') return fail(toBrokenOff(error));
    await Promise.all([context.hold(decision), context.save(log.checkpoint())]);
    const again = decision.action !== 'hand_back';
    if (sentText)
      context.reply(log.current().number, { type: 'reset', reason: error.toShape(), ...(again && { again }) });
    if (decision.action === 'hand_back') return putBack(decision);
    if (decision.action === 'pause') metrics.paused(payload.provider, error.code);
    const why = decision.action === 'retry' ? 'retry' : 'provider';
    return putBack(decision, { untilMs: context.now() + decision.delayMs, why });
  }

  async function succeed(report: AccountedCall): Promise<Answered> {
    log.end('succeeded', toRow(report));
    const checked = await checkAnswer({ ...payload, demo }, report);
    if (checked.state === 'hopeless') return fail(checked.error);
    if (checked.state === 'unfit') return mend(checked.unfit);
    const { calls, rows } = log;
    const result = toGenerationResult(fitted, report, {
      calls,
      rows,
      demo,
      now: context.now(),
      structured: checked.structured,
    });
    const followers = await context.settle({ status: 'succeeded', value: result }, log.checkpoint());
    await account(followers, result);
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
    const request = unfit === undefined ? fitted.request : toRepairRequest(fitted.request, unfit);
    const { number: attempt, startedAt } = log.current();
    if (payload.quiet !== true || isShared) context.reply(attempt, { type: 'started', model });
    const taken = ring && (await takeKey(ring, payload, refused, keyLeases));
    const key = required(taken?.key);
    const made = await makeCall(key.provider, request, {
      signal: context.signal,
      onResponse({ headers }) {
        ring?.noteResponse(headers);
        pace.note(payload, headers, ring?.keys.length ?? 1);
      },
      timeoutMs: Math.min(payload.timeoutMs, Math.max(1, payload.deadlineAt - context.now())),
      onText(text, soFar) {
        sentText = true;
        pass?.answered();
        if (payload.stream || isShared) context.reply(attempt, { type: 'text', text });
        context.keepPartialText(soFar);
      },
      onReasoning(text) {
        pass?.answered();
        if (payload.stream || isShared) context.reply(attempt, { type: 'reasoning', text });
      },
    });
    taken?.release();
    const report = accountForCall({ ...payload, request }, startedAt, made, dependencies);
    context.spent(needs.note(payload, report));
    ring?.report(key, report.error);
    // What we broke off says nothing of the provider.
    if (context.signal.aborted) pass?.leave();
    else pass?.ended(report.error, report.providerMs);
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
    const found = obstacle();
    if (found !== undefined) return fail(found);
    // A further call of this run goes the way that was found free.
    if (aside === undefined && pass === undefined) await enter();
    if (aside !== undefined) return stepAside(aside);
    const wasHidden = log.endHidden();
    if (wasHidden && payload.onUnknownOutcome === 'fail') return fail(cutOff(model, payload.provider));
    if (wasHidden) {
      metrics.repeated(payload.provider);
      takeBackCutOff();
    }
    log.start();
    const started = await context.start(log.checkpoint(), need());
    if (started.state === 'fresh') return call();
    await waitToStart(started);
    return callAgain();
  }

  /** What had failed is to be tried once more: it was settled with what it had cost, and holds what it may cost again. */
  async function startAnew(earlier: Checkpoint | undefined): Promise<Answered> {
    const { requestId, budget = [], deadlineAt } = payload;
    const rows = earlier && toOwedRows(payload, earlier, demo);
    await budgets.reopen(requestId, budget, toCharge(budget, rows), deadlineAt);
    return callAgain();
  }

  /** Whoever waits may have text of the call that was cut off; its worker cannot take it back any more. */
  function takeBackCutOff(): void {
    context.reply(log.current().number, { type: 'reset', reason: cutOff(model, payload.provider).toShape() });
  }

  /** The call was made and answered before the crash: tell it again, account for it again (idempotently), call nobody. */
  async function answerAgain(outcome: Extract<Outcome, { status: 'succeeded' }>): Promise<Answered> {
    const result = GenerationResult.parse(outcome.value);
    const followers = await context.settle(outcome, log.checkpoint());
    await account(followers, result);
    return { value: result, receipt: toGenerationReceipt(result) };
  }

  async function account(
    followers: Awaited<ReturnType<JobContext['settle']>>,
    result: GenerationResult,
  ): Promise<void> {
    const rows = [...log.rows, ...toCachedRows(followers, result)];
    await Promise.all([
      ledger.record(rows),
      turns.record(payload, result, followers),
      batches.record(payload, { status: 'succeeded', value: result }, log.rows),
    ]);
  }

  const toRow = (report: AccountedCall) => toLedgerRow(payload, { ...log.current(), demo }, report);
  return { open, fail, call, callAgain, startAnew, answerAgain, end, leave: () => pass?.leave() };
}

function required(key: ProviderKey | undefined): ProviderKey {
  if (key === undefined) throw new TypeError('that there is a key was checked before the call');
  return key;
}

/** Those who waited for the same call: their answers are in the ledger, and cost nothing. */
function toCachedRows(followers: Awaited<ReturnType<JobContext['settle']>>, result: GenerationResult) {
  return followers.map((follower) => toCachedRow(follower, result, Date.now()));
}
