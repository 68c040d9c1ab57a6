import { ModelManagerError } from '@aimm/contracts';

/** @throws cancelled */
export function requireNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new ModelManagerError('cancelled', 'The request was cancelled.');
}

/** Runs `cancel` when the signal aborts, also where it did so already. Returns what detaches it. */
export function cancelOnAbort(signal: AbortSignal | undefined, cancel: () => Promise<void>): () => void {
  // A cancel that Redis does not take leaves a job that ends by itself: its deadline holds.
  const onAbort = () => void cancel().catch(() => undefined);
  if (signal?.aborted === true) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  return () => signal?.removeEventListener('abort', onAbort);
}
