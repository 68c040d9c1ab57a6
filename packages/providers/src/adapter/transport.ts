import { AsyncLocalStorage } from 'node:async_hooks';
import { pipeline, Readable, type Transform } from 'node:stream';
import { text } from 'node:stream/consumers';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import type { Dispatcher } from 'undici';
import type { ProxySettings } from '../model-provider.ts';
import { lazily } from './vendor.ts';

/** What happened on the wire in the last request of one call. The first thing to look at when the SDK throws. */
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

/** Thrown through the SDK for a response that is no success. Holds what it said: the call may make more requests after it. */
class ResponseFault extends Error {
  override readonly name = 'ResponseFault';
  readonly status: number;
  readonly exchange: Readonly<Exchange>;

  constructor(status: number, exchange: Exchange) {
    super(`HTTP ${status}`);
    this.status = status;
    this.exchange = { ...exchange };
  }
}

/** The response that an error is about, where it came of one that is no success; SDKs wrap what is thrown through them. */
export function findResponseFault(thrown: unknown): Pick<ResponseFault, 'status' | 'exchange'> | undefined {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 6; error = error.cause, depth += 1) {
    if (error instanceof ResponseFault) return error;
  }
  return undefined;
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
export function createTransport(proxy?: ProxySettings): Transport {
  const calls = new AsyncLocalStorage<TransportCall>();
  const load = lazily(() => createRequester(proxy));

  const send: Fetch = async (input, init = {}) => {
    const call = calls.getStore();
    if (call === undefined) throw new Error('a request was made outside of a call');
    const given = input instanceof Request ? input : undefined;
    const requester = await load();
    const { body, headers } = await toBody(init.body ?? given?.body);
    begin(call.exchange);
    const sending = requester(input instanceof Request ? input.url : input.toString(), {
      // SDKs write their methods in capitals.
      method: (init.method ?? given?.method ?? 'GET') as Dispatcher.HttpMethod,
      headers: { ...onlyApiHeaders(init.headers ?? given?.headers ?? {}), ...headers },
      body,
      // The call's own, and nobody else's: it is aborted at the end of every call, however that ended.
      signal: call.signal,
    });
    return settle(await sending.catch((error: unknown) => refuse(error, call)), call);
  };

  return { fetch: send, load, run: (call, work) => calls.run(call, work) };
}

/** What an earlier request of the call was answered says nothing of this one. */
function begin(exchange: Exchange): void {
  exchange.sent = true;
  exchange.headers = {};
  delete exchange.status;
  delete exchange.errorBody;
  delete exchange.oddity;
}

/** How long a connection waits for the next call, whatever longer time the server offers. */
const idleConnectionMs = 30_000;

type Requester = (
  url: string,
  options: Omit<Dispatcher.RequestOptions, 'origin' | 'path'>,
) => Promise<Dispatcher.ResponseData>;

/**
 * undici's `request` rather than `fetch`, which takes twice the time for the same bytes and adds headers of browsers.
 * No limit on the wait for headers or between bytes: models that reason or load take minutes. The guard has the timers.
 * None on connections either: the queue says how many calls there are, and one that waited here would look sent.
 */
async function createRequester(proxy: ProxySettings | undefined): Promise<Requester> {
  const { Agent, EnvHttpProxyAgent, request } = await import('undici');
  // Of each request, not of the dispatcher: what passes a proxy without a tunnel would not have them.
  const timeouts = { headersTimeout: 0, bodyTimeout: 0 };
  const idle = { keepAliveTimeout: idleConnectionMs, keepAliveMaxTimeout: idleConnectionMs };
  const direct = new Agent(idle);
  if (proxy === undefined) return (url, options) => request(url, { ...options, ...timeouts, dispatcher: direct });
  const { http = '', https = '', noProxy = '' } = proxy;
  // What is not given it would read from the environment.
  const proxied = new EnvHttpProxyAgent({ ...idle, httpProxy: http, httpsProxy: https, noProxy });
  return (url, options) =>
    request(url, { ...options, ...timeouts, dispatcher: isOnThisMachine(url) ? direct : proxied });
}

function isOnThisMachine(url: string): boolean {
  return /^((.+\.)?localhost|127(\.\d{1,3}){3}|0\.0\.0\.0|\[::1?\])$/.test(new URL(url).hostname);
}

/** A proxy that wants a user name and password answers in place of the vendor, which undici tells in words only. */
function refuse(error: unknown, { exchange }: TransportCall): never {
  if (!(error instanceof Error) || !/\(407\)/.test(error.message)) throw error;
  exchange.status = 407;
  exchange.errorBody = '';
  throw new ResponseFault(407, exchange);
}

/** What SDKs send is JSON, as text or as bytes, or a form, whose boundary stands in a header. */
async function toBody(
  body: RequestInit['body'],
): Promise<{ body: string | Uint8Array | null; headers: Record<string, string> }> {
  if (body === undefined || body === null || typeof body === 'string' || body instanceof Uint8Array)
    return { body: body ?? null, headers: {} };
  const sent = new Response(body);
  const type = body instanceof FormData ? sent.headers.get('content-type') : null;
  return { body: new Uint8Array(await sent.arrayBuffer()), headers: type === null ? {} : { 'content-type': type } };
}

/** SDKs add headers from variables of the environment; only what the APIs define leaves the house. */
const apiHeaders =
  /^(accept|anthropic-.+|authorization|content-type|openai-beta|user-agent|x-api-key|x-goog-.+|x-stainless-.+)$/;

function onlyApiHeaders(given: RequestInit['headers']): Record<string, string> {
  return Object.fromEntries([...new Headers(given)].filter(([name]) => apiHeaders.test(name)));
}

/** Responses of these statuses may not have a body. */
const bodyless = [204, 205, 304];

async function settle(
  { statusCode: status, headers: given, body }: Dispatcher.ResponseData,
  { exchange, onResponse }: TransportCall,
): Promise<Response> {
  const headers = toHeaders(given);
  exchange.status = status;
  exchange.headers = headers;
  onResponse?.({ status, headers });
  const content = decode(body, headers['content-encoding']);
  if (status >= 300 && status < 400) exchange.oddity = 'redirect';
  else if (status >= 400) exchange.errorBody = await text(content);
  else if (/^(text\/html|application\/xhtml)/i.test(headers['content-type'] ?? '')) exchange.oddity = 'web_page';
  else {
    const stream = bodyless.includes(status) ? null : (Readable.toWeb(content) as ReadableStream);
    return new Response(stream, { status, headers });
  }
  body.on('error', () => undefined).destroy();
  throw new ResponseFault(status, exchange);
}

function toHeaders(given: Dispatcher.ResponseData['headers']): Record<string, string> {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(given)) {
    if (value !== undefined && name !== 'set-cookie') headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  return headers;
}

const decoders: Record<string, () => Transform> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/** Nothing compressed is asked for, but some proxies send it all the same. */
function decode(body: Readable, encoding: string | undefined): Readable {
  const decoder = encoding === undefined ? undefined : decoders[encoding.trim().toLowerCase()];
  return decoder === undefined ? body : pipeline(body, decoder(), () => undefined);
}
