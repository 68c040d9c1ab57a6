import { type JobPayload, type JobResult, jobs, ModelManagerError } from '@aimm/contracts';
import type { FrontQueue } from '@aimm/queue';
import { within } from '@aimm/runtime/within';

type ProbeName = 'list-models' | 'check-health';

/**
 * Has a worker ask a provider something, and waits for the answer.
 * @throws unavailable when no worker answers within `timeoutMs`; else what the worker met
 */
export async function probe<N extends ProbeName>(
  queue: FrontQueue,
  name: N,
  ask: { provider: string; deep?: boolean; timeoutMs: number; uuid: () => string; now: () => number },
): Promise<JobResult<N>> {
  const requestId = `probe_${ask.uuid()}`;
  const deadlineAt = ask.now() + ask.timeoutMs;
  const waiter = queue.waiters.wait(requestId, { deadlineAt });
  const payload: JobPayload<'check-health'> = {
    provider: ask.provider,
    deep: ask.deep ?? false,
    requestId,
    askedAt: ask.now(),
    deadlineAt,
    replyTo: queue.replies.stream,
  };
  try {
    await queue.producer.addProbe(name, payload);
    const outcome = await within(deadlineAt - ask.now(), waiter.outcome, () => {
      throw noAnswer(ask.provider);
    });
    if (outcome.status === 'failed') throw ModelManagerError.fromShape(outcome.error);
    return jobs[name].result.parse(outcome.value) as JobResult<N>;
  } finally {
    waiter.stop();
  }
}

function noAnswer(provider: string): ModelManagerError {
  return new ModelManagerError('unavailable', `No worker answered for "${provider}" in time.`, {
    provider,
    hint: 'Is a worker running that serves it? `aimm status` shows the stack, `aimm worker` starts one.',
  });
}
