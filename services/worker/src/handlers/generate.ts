import { type GeneratePayload, ModelManagerError, type Outcome } from '@aimm/contracts';
import type { Handler, JobContext } from '@aimm/queue';
import { call, callAgain, open, startAnew } from '../generation/calling.ts';
import { type Answered, answerAgain, end, fail } from '../generation/ending.ts';
import { cancelled } from '../generation-errors.ts';
import { createGenerationRun, type GenerateDependencies, type GenerationRun } from '../generation/run.ts';

/**
 * Makes the call that a generation asks for, and accounts for it exactly once.
 *
 * The checkpoint is written before a call (`started`) and after it, so a run that follows a crash knows whether to
 * answer from the outcome, to record a call of unknown outcome, or to start. The order at the end is: checkpoint with
 * outcome and terminal reply in one write, then the ledger, then the job's completion.
 */
export function createGenerate(dependencies: GenerateDependencies): Handler<'generate'> {
  return async (payload: GeneratePayload, context: JobContext) => {
    const run = createGenerationRun(payload, context, dependencies);
    try {
      return await start(run);
    } finally {
      run.way.pass?.leave();
    }
  };
}

/** Goes on from where an earlier run of the job left it, or begins. */
async function start(run: GenerationRun): Promise<Answered> {
  const { payload, context, dependencies } = run;
  const opened = await open(run);
  const foundAt = opened.state === 'fresh' ? undefined : opened.checkpoint?.stalledCount;
  if (foundAt !== undefined && context.stalledCount > foundAt) dependencies.metrics.recovered(payload.provider);
  switch (opened.state) {
    case 'fresh':
      return call(run);
    case 'cancelled':
      return fail(run, cancelled());
    case 'settled':
      if (opened.outcome.status === 'succeeded') return answerAgain(run, opened.outcome);
      // Settled and stalled after that: the crash came before BullMQ knew. Otherwise someone pressed "retry".
      // A request that goes on elsewhere, or was cancelled, is not called here again, however its job comes back.
      if (isOver(opened.outcome) || context.stalledCount > (opened.checkpoint?.stalledCount ?? 0)) {
        return end(run, opened.outcome, ModelManagerError.fromShape(opened.outcome.error));
      }
      return startAnew(run, opened.checkpoint);
    case 'resumed':
      return callAgain(run);
  }
}

function isOver({ continues, error }: Extract<Outcome, { status: 'failed' }>): boolean {
  return continues === true || error.code === 'cancelled';
}
