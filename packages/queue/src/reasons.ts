import { ErrorCode, type ErrorShape, ModelManagerError } from '@aimm/contracts';

/** What BullMQ keeps of an error, and Bull Board shows: our own wording, which holds no secret. */
export function toReason(error: Pick<ErrorShape, 'code' | 'message'>): string {
  return `${error.code}: ${error.message}`;
}

/** Why a job that ended without its handler did: nobody can say how its calls went. */
export function toGivenUp(): ErrorShape {
  return new ModelManagerError(
    'outcome_unknown',
    'The request was given up: its workers stopped again and again while they ran it.',
    { hint: 'The worker logs say why. Usage shows the calls that were made.' },
  ).toShape();
}

/** BullMQ's words for a job that stalled, or was started, too often. */
export function isGivenUp(reason: string): boolean {
  return / (stalled|started) more than /.test(reason);
}

/**
 * The error of a job that failed and left nothing but BullMQ's reason: the same whoever is asked first. Words that are not
 * ours are not passed on.
 */
export function fromReason(reason: string | undefined): ErrorShape {
  const [, word, message] = /^([a-z_]+): ([^]+)$/.exec(reason ?? '') ?? [];
  const code = ErrorCode.safeParse(word).data;
  if (code !== undefined && message !== undefined) return new ModelManagerError(code, message).toShape();
  if (reason !== undefined && isGivenUp(reason)) return toGivenUp();
  return new ModelManagerError('internal', 'The job failed inside a worker.', {
    hint: 'The log of the worker says why.',
  }).toShape();
}
