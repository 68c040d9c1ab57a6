import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import {
  ClientMessage,
  createMessageSocket,
  type MessageSocket,
  type StackInfo,
  type StackMessage,
} from '@aimm/local-stack';
import type { Logger } from '@aimm/runtime';

export interface ControlServerOptions {
  path: string;
  logger: Logger;
  /** A client brought keys; it is welcomed once they are in use. */
  onHandover: (environment: Record<string, string>) => Promise<void>;
  /** A client came, left or announced something. */
  onChange: () => void;
  onStop: () => void;
}

/** The stack's private socket: clients hold a connection while they need the stack. */
export interface ControlServer {
  /** From now on newcomers are welcomed at once. Repeats go to everybody as news. */
  publish(info: StackInfo): void;
  /** Tells everybody who waits that the stack cannot start. */
  fail(problem: string): void;
  clientCount(): number;
  announcedUrl(): string | undefined;
  /** Takes nobody any more and sends the clients away; observers stay until the process ends. */
  close(): Promise<void>;
}

interface Peer {
  channel: MessageSocket<StackMessage>;
  role?: 'client' | 'observer';
  httpUrl?: string;
}

/** Listens for clients. The caller holds the stack's lock, so a socket that is there is a dead stack's. */
export async function openControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const { path, logger } = options;
  const peers = new Set<Peer>();
  let published: StackInfo | undefined;

  const receive = (peer: Peer, message: ClientMessage) => {
    switch (message.type) {
      case 'hello':
        peer.role = message.role;
        logger.debug({ client: message.pid, role: message.role }, 'A client came');
        void options
          .onHandover(message.environment)
          // One client's environment must not end the stack for all of them.
          .catch((error: unknown) => logger.warn({ err: error }, 'What a client brought could not be put to use'))
          .then(() => {
            options.onChange();
            if (published !== undefined) peer.channel.send({ type: 'welcome', info: published });
          });
        break;
      case 'announce':
        peer.httpUrl = message.httpUrl;
        options.onChange();
        break;
      case 'stop':
        options.onStop();
        break;
    }
  };
  const accept = (socket: Socket) => {
    const peer: Peer = { channel: createMessageSocket(socket, ClientMessage, (message) => receive(peer, message)) };
    peers.add(peer);
    void peer.channel.closed.then(() => {
      peers.delete(peer);
      options.onChange();
    });
  };
  const tell = (role: Peer['role'], message: StackMessage) => {
    for (const peer of peers) if (peer.role === role) peer.channel.send(message);
  };

  rmSync(path, { force: true });
  const server = createServer(accept);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path }, resolve);
  });
  chmodSync(path, 0o600);

  return {
    publish: (info) => {
      const type = published === undefined ? 'welcome' : 'info';
      published = info;
      tell('client', { type, info });
      tell('observer', { type, info });
    },
    fail: (problem) => {
      tell('client', { type: 'failed', problem });
      tell('observer', { type: 'failed', problem });
    },
    clientCount: () => [...peers].filter((peer) => peer.role === 'client').length,
    announcedUrl: () => [...peers].find((peer) => peer.httpUrl !== undefined)?.httpUrl,
    close: async () => {
      // The path first: whoever looks for a stack from now on starts the next one, which waits for our lock.
      rmSync(path, { force: true });
      server.close();
      tell('client', { type: 'stopping' });
      const clients = [...peers].filter((peer) => peer.role !== 'observer');
      for (const { channel } of clients) channel.end();
      // One that hangs must not keep us.
      await Promise.race([
        Promise.all(clients.map(({ channel }) => channel.closed)),
        delay(1_000, undefined, { ref: false }),
      ]);
    },
  };
}
