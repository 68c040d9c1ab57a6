import { AsyncLocalStorage } from 'node:async_hooks';
import type { Dispatcher } from 'undici';

/** What happened on the wire during one call. The first thing to look at when the SDK throws. */
export interface Exchange {
  /** Whether a request went out at all. */
  sent: boolean;
  /** Of the last response. */
  status?: number;
  headers: Record<string, string>;
  /** The body of a response that was no success, as text. */
  errorBody?: string;
  /** A response that no API gives: a web page where JSON belongs, or a redirect. */
  oddity?: 'web_page' | 'redirect' | 'malformed';
}

interface TransportCall {
  signal: AbortSignal;
  exchange: Exchange;
  onResponse?: ((response: { status: number; headers: Record<string, string> }) => void) | undefined;
}

export type Fetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>;

/** HTTP for one provider: every SDK gets `fetch`, and `run` ties what it fetches to one call. */
export interface Transport {
  fetch: Fetch;
  /** Loads what the first request needs; sends nothing. */
  load(): Promise<unknown>;
  /** Requests made while `work` runs belong to `call`: they end with its signal and fill its exchange. */
  run<T>(call: TransportCall, work: () => Promise<T>): Promise<T>;
}

/** Thrown through the SDK for a response that is no success; the exchange holds what it said. */
class ResponseFault extends Error {
  override readonly name = 'ResponseFault';
}

export function createExchange(): Exchange {
  return { sent: false, headers: {} };
}

/** The vendor's id of the call, for its support desk. */
export function findRequestId({ headers }: Exchange): string | undefined {
  return headers['x-request-id'] ?? headers['request-id'] ?? headers['x-kong-request-id'];
}

/**
 * The SDKs differ in what they keep of a failed response (google: no headers; ollama prints the body) and in how they
 * pass a signal on, so both are settled here, below all of them.
 */
export function createTransport(): Transport {
  const calls = new AsyncLocalStorage<TransportCall>();
  let dispatcher: Promise<Dispatcher> | undefined;

  const load = () => (dispatcher ??= createDispatcher());

  const send: Fetch = async (input, init = {}) => {
    const call = calls.getStore();
    if (call === undefined) throw new Error('a request was made outside of a call');
    const own = init.signal ?? (input instanceof Request ? input.signal : undefined);
    const options = {
      ...init,
      headers: onlyApiHeaders(init.headers ?? (input instanceof Request ? input.headers : {})),
      signal: own ? AbortSignal.any([own, call.signal]) : call.signal,
      // A redirect would carry the key to wherever it points.
      redirect: 'manual',
      dispatcher: await load(),
    } as const;
    call.exchange.sent = true;
    // Node's types know the dispatcher of the undici that it bundles, not of this one.
    const response = await fetch(input, options as unknown as RequestInit);
    return settle(response, call);
  };

  return { fetch: send, load, run: (call, work) => calls.run(call, work) };
}

/** No limit on the wait for headers or between bytes: models that reason or load take minutes. The guard has the timers. */
async function createDispatcher(): Promise<Dispatcher> {
  const { Agent, Dispatcher1Wrapper } = await import('undici');
  const agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, connections: 128, keepAliveTimeout: 30_000 });
  // Node's own fetch speaks the dispatcher protocol of the undici it bundles.
  return new Dispatcher1Wrapper(agent);
}

/** SDKs add headers from variables of the environment; only what the APIs define leaves the house. */
const apiHeaders =
  /^(accept|anthropic-.+|authorization|content-type|openai-beta|user-agent|x-api-key|x-goog-.+|x-stainless-.+)$/;

function onlyApiHeaders(given: RequestInit['headers']): Headers {
  const all = new Headers(given);
  return new Headers([...all].filter(([name]) => apiHeaders.test(name)));
}

async function settle(response: Response, { exchange, onResponse }: TransportCall): Promise<Response> {
  exchange.status = response.status;
  exchange.headers = Object.fromEntries([...response.headers].filter(([name]) => name !== 'set-cookie'));
  onResponse?.({ status: response.status, headers: exchange.headers });
  if (response.status >= 300 && response.status < 400) exchange.oddity = 'redirect';
  else if (!response.ok) exchange.errorBody = await response.text();
  else if (/^(text\/html|application\/xhtml)/i.test(exchange.headers['content-type'] ?? ''))
    exchange.oddity = 'web_page';
  else return response;
  await response.body?.cancel().catch(() => undefined);
  throw new ResponseFault(`HTTP ${response.status}`);
}
