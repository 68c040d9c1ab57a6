import { setTimeout as delay } from 'node:timers/promises';
import {
  type ComparePayload,
  type ComparisonEntry,
  ComparisonResult,
  GenerationResult,
  type Judgement,
  ModelManagerError,
  type Outcome,
} from '@aimm/contracts';
import { type Handled, type Handler, type JobContext, queueOf } from '@aimm/queue';
import { summarizeComparison } from '../comparison-summary.ts';
import { toJudgeRequest, toJudgement, toUnjudged } from '../judging.ts';

/** Runs when every generation of a comparison has ended: joins what succeeded and what failed, and has it judged. */
export const compare: Handler<'compare'> = async (payload, context) => {
  // What its client was told stands, though a cancel came while the answers were being joined.
  const told = await context.readOutcome(queueOf('compare'), payload.requestId);
  if (told?.status === 'succeeded') return toHandled(ComparisonResult.parse(told.value));
  if (await context.isCancelled()) throw told === undefined ? cancelled() : ModelManagerError.fromShape(told.error);
  const entries = await Promise.all(payload.children.map((child) => readEntry(child, context)));
  const judgement = payload.judge === undefined ? undefined : await judge(payload, entries, context);
  return toHandled({
    requestId: payload.requestId,
    entries,
    summary: summarizeComparison(entries, judgement),
    ...(judgement !== undefined && { judgement }),
  });
};

function toHandled(value: ComparisonResult): Handled<'compare'> {
  const { succeeded, failed } = value.summary;
  return { value, receipt: { requestId: value.requestId, succeeded, failed } };
}

function cancelled(): ModelManagerError {
  return new ModelManagerError('cancelled', 'The comparison was cancelled.');
}

const looks = 10;
const lookEveryMs = 50;

async function readEntry(child: ComparePayload['children'][number], context: JobContext): Promise<ComparisonEntry> {
  const { requestId, provider, model } = child;
  let outcome = await context.readOutcome(queueOf('generate', provider), requestId);
  // Whoever ends one in its queue takes it out first, and then says why.
  for (let look = 1; outcome === undefined && look < looks; look += 1) {
    await delay(lookEveryMs);
    outcome = await context.readOutcome(queueOf('generate', provider), requestId);
  }
  return { requestId, provider, model, ...toResultOrError(outcome) };
}

function toResultOrError(outcome: Outcome | undefined): Pick<ComparisonEntry, 'result' | 'error'> {
  if (outcome === undefined) {
    return {
      error: new ModelManagerError(
        'outcome_unknown',
        'Nothing is known of how this model ended: its job is not in Redis any more.',
      ).toShape(),
    };
  }
  return outcome.status === 'succeeded' ? { result: GenerationResult.parse(outcome.value) } : { error: outcome.error };
}

/** The first run adds the judge's generation and waits for it; the run after that reads what it said. */
async function judge(
  payload: ComparePayload,
  entries: ComparisonEntry[],
  context: JobContext,
): Promise<Judgement | undefined> {
  const order = payload.judge;
  const answered = entries.filter(({ result }) => result !== undefined);
  if (order === undefined) return undefined;
  if (answered.length < 2) return toUnjudged(order, answered.length);
  const outcome = await context.readOutcome(queueOf('generate', order.provider), order.requestId);
  if (outcome !== undefined) return toJudgement(order, answered, outcome);

  const { replyTo: _replyTo, judge: _judge, children: _children, ...envelope } = payload;
  return context.waitForChild({
    ...envelope,
    requestId: order.requestId,
    parentId: payload.requestId,
    provider: order.provider,
    request: toJudgeRequest(order, answered),
    attempts: order.attempts,
    timeoutMs: order.timeoutMs,
    ...(order.budget !== undefined && { budget: order.budget }),
    stream: false,
    onUnknownOutcome: 'retry',
    warnings: [],
  });
}
