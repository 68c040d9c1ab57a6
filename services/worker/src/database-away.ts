import { ModelManagerError } from '@aimm/contracts';
import { CallFailedError } from '@aimm/queue';

/** A database that is away is tried this often, by one job for all. */
const triedAgainAfterMs = 2_000;

/**
 * What a job throws that brings something to a database which does not take it: its whole queue waits. Thousands of jobs that
 * each try by themselves would keep workers busy for nothing.
 */
export function waitForDatabase(message: string, cause: unknown): CallFailedError {
  const error = new ModelManagerError('unavailable', message, { retryable: true, cause });
  return new CallFailedError({ action: 'requeue', delayMs: triedAgainAfterMs, error });
}
