import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A vendor that only lists its models, in the shape of OpenAI's wire, and counts how often it is asked. */
export interface VendorLists {
  readonly url: string;
  say(ids: readonly string[]): void;
  asked(): number;
  stop(): Promise<void>;
}

export async function startVendorLists(): Promise<VendorLists> {
  let ids: readonly string[] = [];
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    const data = ids.map((id) => ({ id, object: 'model', created: 1, capabilities: { completionChat: true } }));
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ object: 'list', data }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    say: (next) => void (ids = next),
    asked: () => asked,
    async stop() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
