import { connect } from 'node:net';
import { createMessageSocket } from './message-socket.ts';
import { type ClientMessage, type StackInfo, StackMessage } from './protocol.ts';

/** One live connection to a stack that is ready. */
export interface ControlConnection {
  /** As of the stack's last message. */
  info(): StackInfo;
  send(message: ClientMessage): void;
  close(): Promise<void>;
  /** Settles when the connection ends: told by the stack that it stops, or not. */
  readonly closed: Promise<LostReason>;
}

/** `stopped`: somebody told the stack to stop. `lost`: it ended otherwise. */
export type LostReason = 'stopped' | 'lost';

/** The stack said that it cannot start, and why. */
export class StackStartError extends Error {
  override name = 'StackStartError';
  /** What its process ended with; absent where it has not, or is not known. */
  readonly exitCode: number | undefined;

  constructor(message: string, exitCode?: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/**
 * Connects, says hello, and waits until the stack is ready.
 * Gives undefined when nobody listens there, or whoever does goes away before it is ready; `starting` when it stays and is not ready
 * in time.
 * @throws StackStartError when the stack says it cannot start
 */
export async function openControlConnection(
  path: string,
  hello: Extract<ClientMessage, { type: 'hello' }>,
  timeoutMs: number,
): Promise<ControlConnection | 'starting' | undefined> {
  const socket = connect({ path });
  const ready = Promise.withResolvers<StackInfo | 'starting' | undefined>();
  let latest: StackInfo | undefined;
  let reason: LostReason = 'lost';
  const channel = createMessageSocket<StackMessage, ClientMessage>(socket, StackMessage, (message) => {
    switch (message.type) {
      case 'welcome':
      case 'info':
        latest = message.info;
        if (message.type === 'welcome') ready.resolve(message.info);
        break;
      case 'failed':
        ready.reject(new StackStartError(message.problem));
        break;
      case 'stopping':
        reason = 'stopped';
        socket.end();
        break;
    }
  });
  void channel.closed.then(() => ready.resolve(undefined));
  let connected = false;
  socket.once('connect', () => (connected = true));
  const timer = setTimeout(() => {
    if (connected) ready.resolve('starting');
    socket.destroy();
  }, timeoutMs);
  channel.send(hello);
  try {
    const first = await ready.promise;
    if (first === undefined || first === 'starting') return first;
    return {
      info: () => latest ?? first,
      send: (message) => channel.send(message),
      close: async () => {
        channel.end();
        await channel.closed;
      },
      closed: channel.closed.then(() => reason),
    };
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
