import type { Reply } from '@aimm/contracts';
import { type Aside, CallFailedError, type Decision, LockLostError, type NotStarted, type Refusal } from '@aimm/queue';
import { toCancelled } from '../generation-errors.ts';
import { waitForTurn } from '../wait-for-turn.ts';
import { fail } from './ending.ts';
import { type GenerationRun, takeBackCutOff } from './run.ts';

type WaitingReason = Extract<Reply, { type: 'waiting' }>['why'];

/** Returns when the call may ask again to start. */
export async function waitToStart(run: GenerationRun, notStarted: NotStarted): Promise<void> {
  run.log.takeBack();
  if (notStarted.state === 'refused') return takeTurn(run, notStarted.refusal);
  await run.way.enter({ turnedOut: true });
}

/** Returns when it is the call's turn to ask its limits again; a job whose turn is far gives up its slot. */
async function takeTurn(run: GenerationRun, refusal: Refusal): Promise<void> {
  const { payload, context, log, latest } = run;
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
  if (turn.state === 'never') return fail(run, turn.error);
  // The first call of a job that was not admitted leaves nothing behind.
  if (log.calls.length > 0) await context.save(log.checkpoint());
  return putBack(run, turn.decision, { untilMs: turn.untilMs, why: 'rate_limit' });
}

/** The model is set aside: the next fallback that is not has the request, or it waits its turn, at no attempt's cost. */
export async function stepAside(run: GenerationRun, { delayMs, error }: Aside): Promise<never> {
  const { context, log, way, latest } = run;
  if (way.hasFreeHop(error)) return fail(run, error);
  const leftMs = latest - context.now();
  if ((error.retryAfterMs ?? 0) >= leftMs) return fail(run, error);
  const forMs = Math.max(1, Math.min(delayMs, leftMs));
  if (log.endHidden()) takeBackCutOff(run);
  await context.save(log.checkpoint());
  return putBack(run, { action: 'delay', delayMs: forMs, error }, { untilMs: context.now() + forMs });
}

/** The job gives up its slot and comes back; `waiting` is told to whoever waits for it. */
export async function putBack(
  { payload, context, log, dependencies: { ledger } }: GenerationRun,
  decision: Decision,
  waiting?: { untilMs: number; why?: WaitingReason },
): Promise<never> {
  if (waiting !== undefined) {
    const attempt = log.calls.at(-1)?.number ?? payload.callsBefore ?? 0;
    context.reply(attempt, { type: 'waiting', reason: decision.error.toShape(), ...waiting });
  }
  await ledger.record(log.rows);
  throw new CallFailedError(decision);
}
