import { SdkError, SdkErrorCode, type ServerContext } from '@modelcontextprotocol/server';

export interface CallSignals {
  /** The client said that it no longer wants the answer: the request is to be cancelled. */
  cancelled: AbortSignal;
  /** Nobody will read the answer, for whichever reason: stop waiting. */
  gone: AbortSignal;
  /** Call when the answer is given: what happens to the connection later is no longer about this request. */
  release: () => void;
}

/**
 * Tells a cancel from a lost connection, which the SDK reports through one signal.
 *
 * A cancel is `notifications/cancelled` or, over HTTP since 2026-07-28, closing the response. A connection that ends
 * (stdin closed, a 2025 HTTP response broken off, our own shutdown) is none: the request goes on and can be read by id.
 */
export function watchCancellation(ctx: ServerContext, era: 'legacy' | 'modern'): CallSignals {
  const controller = new AbortController();
  const { signal } = ctx.mcpReq;
  const onAbort = () => {
    const reason: unknown = signal.reason;
    const connectionClosed = reason instanceof SdkError && reason.code === SdkErrorCode.ConnectionClosed;
    const responseClosedByClient = era === 'modern' && ctx.http?.req?.signal.aborted === true;
    if (!connectionClosed || responseClosedByClient) controller.abort(reason);
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return {
    cancelled: controller.signal,
    gone: signal,
    release: () => signal.removeEventListener('abort', onAbort),
  };
}
