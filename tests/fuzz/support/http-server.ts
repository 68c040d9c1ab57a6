import { type HttpFront, startListening } from '../../support/deployment.ts';
import { answerWithinMs } from './fuzz.ts';
import { isAlive, type Watched } from './watch.ts';

/** A server under fuzz; the next question after its end starts it anew. */
export interface HttpServer {
  process(): Promise<Watched>;
  url(): Promise<string>;
  /** Asks as a good client does. @throws where that is not answered as ever */
  requireGood(): Promise<void>;
  end(): Promise<void>;
}

export interface HttpServerOptions {
  name: string;
  kind: 'front' | 'dashboard';
  guarded: boolean;
}

const commands = { front: ['mcp', '--http'], dashboard: ['dashboard'] };

export function openServer(
  environment: Readonly<Record<string, string>>,
  token: string,
  { name, kind, guarded }: HttpServerOptions,
): HttpServer {
  const { AIMM_AUTH_TOKEN: _token, ...open } = environment;
  const own = { ...(guarded ? environment : open), DASHBOARD_PORT: '0' };
  let starting: Promise<HttpFront> | undefined;
  const started = async () => {
    if (starting !== undefined && !isAlive((await starting).process.pid)) starting = undefined;
    return (starting ??= startListening(own, commands[kind]));
  };
  const authorization: Record<string, string> = guarded ? { authorization: `Bearer ${token}` } : {};
  const signal = () => AbortSignal.timeout(answerWithinMs);
  const ask = async (): Promise<Response> => {
    const { url } = await started();
    if (kind === 'dashboard') return fetch(new URL('/healthz', url), { headers: authorization, signal: signal() });
    return fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        ...authorization,
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' }),
      signal: signal(),
    });
  };
  return {
    async process() {
      const { process: front } = await started();
      return { name, pid: front.pid, log: () => front.log() };
    },
    url: async () => (await started()).url,
    async requireGood() {
      const answer = await ask();
      const text = await answer.text();
      const expected = kind === 'front' ? '"result":{}' : '"status":"ok"';
      if (answer.status !== 200 || !text.includes(expected))
        throw new Error(`a good request got ${answer.status} afterwards: ${text.slice(0, 500)}`);
    },
    end: async () => void (await (await starting)?.process.end()),
  };
}
