import type { Socket } from 'node:net';
import type * as z from 'zod';

/** A line longer than this is no message of ours. */
const longestLineBytes = 1_000_000;

/** Newline-delimited JSON over a socket, each message validated; whoever sends anything else is cut off. */
export interface MessageSocket<Out> {
  send(message: Out): void;
  /** Ends politely: what was sent still arrives. */
  end(): void;
  readonly closed: Promise<void>;
}

export function createMessageSocket<In, Out>(
  socket: Socket,
  incoming: z.ZodType<In>,
  onMessage: (message: In) => void,
): MessageSocket<Out> {
  let rest = '';
  socket.setEncoding('utf8');
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  // A broken connection is told by `closed`; why it broke makes no difference to either side.
  socket.on('error', () => socket.destroy());
  socket.on('data', (chunk: string) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = parseLine(incoming, line);
      if (message === undefined) return void socket.destroy();
      onMessage(message);
    }
    if (rest.length > longestLineBytes) socket.destroy();
  });
  return {
    send: (message) => void (socket.writable && socket.write(`${JSON.stringify(message)}\n`)),
    end: () => void socket.end(),
    closed,
  };
}

function parseLine<T>(schema: z.ZodType<T>, line: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined; // Not JSON: treated as any other message that does not parse.
  }
}
