import type { Checkpoint, ModelManagerError, UnfitAnswer } from '@aimm/contracts';
import { CallFailedError, LockLostError, modelOf, type NotStarted, type Opened, toCharge } from '@aimm/queue';
import { type AccountedCall, accountForCall } from '../account-for-call.ts';
import { findObstacle } from '../find-obstacle.ts';
import { cancelled, cutOff, toBrokenOff, toCancelled } from '../generation-errors.ts';
import { type ProviderKey, toKeyFault } from '../key-ring.ts';
import { isKeptRefused, leftOutKept, withoutKept } from '../kept-reasoning.ts';
import { toLedgerRow, toOwedRows } from '../ledger-rows.ts';
import { makeCall } from '../make-call.ts';
import { nameNearModels } from '../name-near-models.ts';
import { checkAnswer, isMended, stillUnfit, toRepairRequest } from '../structured-output.ts';
import { takeKey } from '../take-key.ts';
import { toGenerationResult } from '../to-generation-result.ts';
import { type Answered, endWithAnswer, fail } from './ending.ts';
import { type GenerationRun, takeBackCutOff } from './run.ts';
import { putBack, stepAside, waitToStart } from './waiting.ts';

/** Reads what earlier runs left; where there is nothing and nothing stands in the way, the first call counts as started. */
export async function open(run: GenerationRun): Promise<Exclude<Opened, NotStarted>> {
  const { context, log, way } = run;
  const obstacle = findObstacleOf(run);
  if (obstacle === undefined && way.pass === undefined && way.aside === undefined) await way.enter();
  const isFree = obstacle === undefined && way.aside === undefined;
  if (isFree) log.start();
  const opened = await context.open(log.checkpoint(), isFree ? way.need() : undefined);
  if (opened.state === 'refused' || opened.state === 'aside') {
    await waitToStart(run, opened);
    return open(run);
  }
  if (opened.state === 'fresh' && obstacle !== undefined) return fail(run, obstacle);
  if (opened.state === 'fresh' && way.aside !== undefined) return stepAside(run, way.aside);
  if (opened.state !== 'fresh') log.adopt(opened.checkpoint);
  return opened;
}

/** Makes the call that was started, and brings the request to its end or to its next call. */
export async function call(run: GenerationRun): Promise<Answered> {
  const { payload, context, dependencies, fitted, log, way, ring, refused } = run;
  const { pace, needs, keyLeases, catalog, ledger } = dependencies;
  const { unfit } = log;
  const whole = run.keptRefused ? withoutKept(fitted.request) : fitted.request;
  const request = unfit === undefined ? whole : toRepairRequest(whole, unfit);
  const { number: attempt, startedAt } = log.current();
  /** Others may listen, whether or not the request itself does. */
  const isShared = payload.flight !== undefined;
  if (payload.quiet !== true || isShared) context.reply(attempt, { type: 'started', model: modelOf(payload) });
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
      run.sentText = true;
      way.pass?.answered();
      if (payload.stream || isShared) context.reply(attempt, { type: 'text', text });
      context.keepPartialText(soFar);
    },
    onReasoning(text) {
      way.pass?.answered();
      if (payload.stream || isShared) context.reply(attempt, { type: 'reasoning', text });
    },
  });
  taken?.release();
  if (run.keptRefused) made.warnings.push(leftOutKept(modelOf(payload)));
  const report = accountForCall({ ...payload, request }, startedAt, made, dependencies);
  context.spent(needs.note(payload, report));
  ring?.report(key, report.error);
  // What we broke off says nothing of the provider.
  if (context.signal.aborted) way.pass?.leave();
  else way.pass?.ended(report.error, report.providerMs);
  if (toKeyFault(report.error) !== undefined) refused.add(key);
  try {
    if (report.error === undefined) return await succeed(run, report);
    const error = context.signal.aborted
      ? toCancelled(context.signal.reason)
      : nameNearModels(report.error, payload, catalog);
    return await failCall(run, report, error);
  } catch (thrown) {
    // Taken over while the call ran, or nothing of the job can be written: what the call cost is known here only.
    if (!(thrown instanceof CallFailedError)) await ledger.record(log.rows.slice(-1));
    throw thrown;
  }
}

/** One further call, once nothing stands in its way. */
export async function callAgain(run: GenerationRun): Promise<Answered> {
  const { payload, context, log, way, dependencies } = run;
  const obstacle = findObstacleOf(run);
  if (obstacle !== undefined) return fail(run, obstacle);
  // A further call of this run goes the way that was found free.
  if (way.aside === undefined && way.pass === undefined) await way.enter();
  if (way.aside !== undefined) return stepAside(run, way.aside);
  const wasHidden = log.endHidden();
  if (wasHidden && payload.onUnknownOutcome === 'fail') return fail(run, cutOff(modelOf(payload), payload.provider));
  if (wasHidden) {
    dependencies.metrics.repeated(payload.provider);
    takeBackCutOff(run);
  }
  log.start();
  const started = await context.start(log.checkpoint(), way.need());
  if (started.state === 'fresh') return call(run);
  if (started.state === 'cancelled') {
    log.takeBack();
    return fail(run, cancelled());
  }
  await waitToStart(run, started);
  return callAgain(run);
}

/** What had failed is to be tried once more: it was settled with what it had cost, and holds what it may cost again. */
export async function startAnew(run: GenerationRun, earlier: Checkpoint | undefined): Promise<Answered> {
  const { requestId, budget = [], deadlineAt } = run.payload;
  const rows = earlier && toOwedRows(run.payload, earlier, run.demo);
  await run.dependencies.budgets.reopen(requestId, budget, toCharge(budget, rows), deadlineAt);
  return callAgain(run);
}

async function succeed(run: GenerationRun, report: AccountedCall): Promise<Answered> {
  const { payload, context, fitted, demo, log } = run;
  log.end('succeeded', toRow(run, report));
  const checked = await checkAnswer({ ...payload, demo }, report);
  if (checked.state === 'hopeless') return fail(run, checked.error);
  if (checked.state === 'unfit') return mend(run, checked.unfit);
  const { calls, rows } = log;
  const { structured } = checked;
  return endWithAnswer(run, toGenerationResult(fitted, report, { calls, rows, demo, now: context.now(), structured }));
}

/** One further call, with a row of its own; that it is due is in the checkpoint, so a crash adds no second one. */
async function mend(run: GenerationRun, unfit: UnfitAnswer): Promise<Answered> {
  const { payload, context, log } = run;
  const again = log.unfit !== undefined;
  log.keepUnfit(again ? undefined : unfit);
  if (again) return fail(run, stillUnfit(payload, unfit));
  if (run.sentText) context.reply(log.current().number, { type: 'reset', reason: isMended(payload).toShape() });
  return callAgain(run);
}

/** Another key, another time, another model, or the end. */
async function failCall(run: GenerationRun, report: AccountedCall, error: ModelManagerError): Promise<Answered> {
  const { payload, context, fitted, log, ring, refused, dependencies } = run;
  log.end(error.code === 'cancelled' ? 'cancelled' : 'failed', toRow(run, report));
  if (context.signal.reason instanceof LockLostError) throw context.signal.reason;
  const takeBack = (again: { again?: true }) => {
    if (run.sentText) context.reply(log.current().number, { type: 'reset', reason: error.toShape(), ...again });
  };
  // What somebody has read is not taken back, unless the request says so; another model may be asked where it names one.
  const isShown = payload.stream && report.text !== '' && payload.allowRestart !== true;
  const hasNextKey = toKeyFault(error) !== undefined && ring?.hasNext(refused) === true;
  const goesWithout = !run.keptRefused && isKeptRefused(error, fitted.request);
  if (!isShown && (hasNextKey || goesWithout)) {
    // At once and at no attempt's cost: the provider is well, and so may the next key be, or the request without what it refused.
    run.keptRefused ||= goesWithout;
    takeBack({ again: true });
    return callAgain(run);
  }
  const decision = context.decide(error, log.calls.length);
  if (decision.action === 'stop' || isShown) await context.hold(decision);
  if (decision.action === 'stop') return fail(run, isShown ? toBrokenOff(decision.error) : decision.error);
  if (isShown && decision.action !== 'hand_back') return fail(run, toBrokenOff(error));
  await Promise.all([context.hold(decision), context.save(log.checkpoint())]);
  takeBack(decision.action === 'hand_back' ? {} : { again: true });
  if (decision.action === 'hand_back') return putBack(run, decision);
  if (decision.action === 'pause') dependencies.metrics.paused(payload.provider, error.code);
  const why = decision.action === 'retry' ? 'retry' : 'provider';
  return putBack(run, decision, { untilMs: context.now() + decision.delayMs, why });
}

function findObstacleOf({ payload, ring, context, dependencies: { catalog } }: GenerationRun) {
  return findObstacle(payload, { ring, catalog, signal: context.signal, now: context.now() });
}

function toRow({ payload, log, demo }: GenerationRun, report: AccountedCall) {
  return toLedgerRow(payload, { ...log.current(), demo }, report);
}

function required(key: ProviderKey | undefined): ProviderKey {
  if (key === undefined) throw new TypeError('that there is a key was checked before the call');
  return key;
}
