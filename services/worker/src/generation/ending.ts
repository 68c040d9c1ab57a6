import { GenerationResult, type ModelManagerError, type Outcome } from '@aimm/contracts';
import { CallFailedError, type Follower, type Handled, modelOf, toCachedRow, toNextHop } from '@aimm/queue';
import { findSuccessor } from '../find-successor.ts';
import { toCancelled } from '../generation-errors.ts';
import { toGenerationReceipt } from '../to-generation-result.ts';
import type { GenerationRun } from './run.ts';

export type Answered = Handled<'generate'>;

/** Ends the job with an answer: checkpoint, outcome and terminal reply in one write, then ledger, conversation and batch. */
export async function endWithAnswer(run: GenerationRun, result: GenerationResult): Promise<Answered> {
  return account(run, result, await run.context.settle({ status: 'succeeded', value: result }, run.log.checkpoint()));
}

/** The call was made and answered before the crash: tell it again, account for it again (idempotently), call nobody. */
export async function answerAgain(
  run: GenerationRun,
  outcome: Extract<Outcome, { status: 'succeeded' }>,
): Promise<Answered> {
  const result = GenerationResult.parse(outcome.value);
  return account(run, result, await run.context.settle(outcome, run.log.checkpoint()));
}

async function account(
  { payload, log, dependencies: { ledger, turns, batches } }: GenerationRun,
  result: GenerationResult,
  followers: readonly Follower[],
): Promise<Answered> {
  // The answers of those who waited for the same call are in the ledger, too, and cost nothing.
  const cached = followers.map((follower) => toCachedRow(follower, result, Date.now()));
  await Promise.all([
    ledger.record([...log.rows, ...cached]),
    turns.record(payload, result, followers),
    batches.record(payload, { status: 'succeeded', value: result }, log.rows),
  ]);
  return { value: result, receipt: toGenerationReceipt(result) };
}

/** Ends the job for good, or hands the request to its next fallback. */
export async function fail(run: GenerationRun, error: ModelManagerError): Promise<never> {
  const { payload, context, log, way } = run;
  const wasHidden = log.endHidden();
  const next = toNextHop(payload, error, log.calls.length, context.now(), { isAside: way.isAside });
  if (next !== undefined && (run.sentText || wasHidden)) {
    context.reply(log.current().number, { type: 'reset', reason: error.toShape() });
  }
  const goesOn = next && { continues: true, next: modelOf(next) };
  return end(run, { status: 'failed', error: error.toShape(), ...goesOn }, error);
}

/** Settled before the fallback is queued, which can be repeated: a crash between the two leads back here, to no other call. */
export async function end(
  run: GenerationRun,
  outcome: Extract<Outcome, { status: 'failed' }>,
  error: ModelManagerError,
): Promise<never> {
  const { payload, context, log } = run;
  const { ledger, batches, producer, requests } = run.dependencies;
  await context.settle(outcome, log.checkpoint());
  const next = await findSuccessor(requests, payload, outcome, log);
  // Whoever cancels it from here on finds that it goes on elsewhere.
  if (next !== undefined && (await context.isCancelled())) return fail(run, toCancelled(undefined));
  if (next !== undefined) await producer.addGeneration(next);
  await Promise.all([ledger.record(log.rows), batches.record(payload, outcome, log.rows)]);
  throw new CallFailedError({ action: 'stop', error });
}
