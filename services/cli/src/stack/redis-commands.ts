import { connect } from 'node:net';

/** A connection to a Redis or Valkey that answers commands (it has loaded its data). */
export interface RedisProbe {
  /** Settles when the server is gone. */
  readonly closed: Promise<void>;
  /** Asks the server to write what it holds and leave; settles when it has. */
  shutdown(): Promise<void>;
  close(): void;
}

/** Connects and sees whether the server answers; undefined where it does not, or not yet. Speaks Redis's inline commands. */
export async function openRedisProbe(socketPath: string, timeoutMs = 1_000): Promise<RedisProbe | undefined> {
  const socket = connect({ path: socketPath }).setEncoding('utf8');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  socket.on('error', () => socket.destroy());
  const timer = setTimeout(() => socket.destroy(), timeoutMs);
  const answered = new Promise<string>((resolve) => socket.once('data', (data) => resolve(String(data))));
  socket.write('PING\r\n');
  const answer = await Promise.race([answered, closed]);
  clearTimeout(timer);
  // While it loads its data the server answers -LOADING.
  if (answer?.startsWith('+PONG') !== true) {
    socket.destroy();
    return undefined;
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
