import { ErrorCode, type ErrorShape, ModelManagerError } from '@aimm/contracts';

/** What BullMQ keeps of an error, and Bull Board shows: our own wording, which holds no secret. */
export function toReason(error: Pick<ErrorShape, 'code' | 'message'>): string {
  return `${error.code}: ${error.message}`;
}

/** The error of a job that failed and left nothing but BullMQ's reason. What is not in our words is not passed on. */
export function fromReason(reason: string | undefined): ErrorShape {
  const [, word, message] = /^([a-z_]+): ([^]+)$/.exec(reason ?? '') ?? [];
  const code = ErrorCode.safeParse(word).data;
  if (code !== undefined && message !== undefined) return new ModelManagerError(code, message).toShape();
  return new ModelManagerError('internal', 'The job failed inside a worker.', {
    hint: 'The log of the worker says why.',
  }).toShape();
}
