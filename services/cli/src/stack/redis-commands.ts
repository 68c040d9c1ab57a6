import { connect } from 'node:net';

/** A connection to a Redis or Valkey that answers commands. */
export interface RedisProbe {
  /** Settles when the server, or the connection, is gone. */
  readonly closed: Promise<void>;
  /** Asks the server to write what it holds and leave; settles when it has. */
  shutdown(): Promise<void>;
  close(): void;
}

/**
 * Connects and sees whether the server answers, in Redis's inline commands.
 * `absent`: nobody listens. `loading`: it reads its data. `busy`: somebody listens and does not answer.
 */
export async function openRedisProbe(
  socketPath: string,
  timeoutMs = 1_000,
): Promise<RedisProbe | 'absent' | 'loading' | 'busy'> {
  const socket = connect({ path: socketPath }).setEncoding('utf8');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  let connected = false;
  socket.once('connect', () => (connected = true));
  socket.on('error', () => socket.destroy());
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  const answered = new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))));
  socket.write('PING\r\n');
  const answer = await Promise.race([answered, closed]);
  clearTimeout(timer);
  if (answer?.startsWith('+PONG') !== true) {
    socket.destroy();
    if (answer?.startsWith('-LOADING') === true) return 'loading';
    return connected ? 'busy' : 'absent';
  }
  return {
    closed,
    shutdown: async () => {
      socket.write('SHUTDOWN\r\n');
      await closed;
    },
    close: () => socket.destroy(),
  };
}
