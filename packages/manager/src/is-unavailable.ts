import { ModelManagerError } from '@aimm/contracts';

/** Whether Redis or the database could not be asked: a moment later they may. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof ModelManagerError && error.code === 'unavailable';
}
