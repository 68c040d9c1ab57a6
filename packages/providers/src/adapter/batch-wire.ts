import { type Fetch, findResponseFault } from './transport.ts';

export interface WireRequest {
  method: 'get' | 'post' | 'delete';
  /** From the vendor's base URL on, with a slash. */
  path: string;
  query?: Record<string, string | number>;
  /** JSON, or a form or bytes as they are. */
  body?: object | FormData | Uint8Array;
  headers?: Record<string, string>;
}

/** What a batch's file calls go by: some SDKs drop half of what a batch says, and none reads results as they come. */
export type WireSend = (request: WireRequest) => Promise<Response>;

/** Through an SDK's own client, which knows addresses, keys and versions. */
export function createClientSend(
  getClient: () => Promise<{
    request(options: {
      method: WireRequest['method'];
      path: string;
      query?: Record<string, unknown>;
      body?: unknown;
      headers?: Record<string, string>;
    }): { asResponse(): Promise<Response> };
  }>,
): WireSend {
  return async (request) => (await getClient()).request(request).asResponse();
}

/** Straight through the transport. `headers` carry the key. */
export function createFetchSend(fetch: Fetch, baseUrl: string, headers: Record<string, string>): WireSend {
  const base = baseUrl.replace(/\/+$/, '');
  return ({ method, path, query = {}, body, headers: more }) => {
    const search = new URLSearchParams(
      Object.entries(query).map(([name, value]): [string, string] => [name, `${value}`]),
    );
    const isRaw = body === undefined || body instanceof FormData || body instanceof Uint8Array;
    return fetch(`${base}${path}${search.size === 0 ? '' : `?${search}`}`, {
      method: method.toUpperCase(),
      headers: { ...headers, ...(!isRaw && { 'content-type': 'application/json' }), ...more },
      // The types of Node and of browsers differ in what bytes a body may be.
      ...(body !== undefined && { body: isRaw ? (body as FormData) : JSON.stringify(body) }),
    });
  };
}

/** The request's answer as JSON. @throws SyntaxError where it is none */
export async function readJson(answer: Promise<Response>): Promise<unknown> {
  return (await answer).json();
}

/** Reads to its end what nobody needs: cancelling a body that Node made of a stream throws where nobody catches. */
export async function drain(response: Response): Promise<void> {
  await response.arrayBuffer();
}

/** Does what deletes something; what is not there any more is deleted. */
export async function forget(answer: Promise<Response>): Promise<void> {
  try {
    await drain(await answer);
  } catch (error) {
    if (findResponseFault(error)?.status !== 404) throw error;
  }
}

/** Cancels; a refusal with one of `overStatuses` says that it is over already. */
export async function cancelUnlessOver(answer: Promise<Response>, overStatuses: readonly number[]): Promise<void> {
  try {
    await readJson(answer);
  } catch (error) {
    const status = findResponseFault(error)?.status;
    if (status === undefined || !overStatuses.includes(status)) throw error;
  }
}

/** Statuses of 4xx after which the vendor may have taken it all the same: it was too slow to say so, or has it already. */
const unsettled: readonly number[] = [408, 409];

/** Makes a batch of a file that went up. Refused (4xx), nothing will read the file: it is removed. Where the answer was lost a batch may be reading it. */
export async function makeOfFile<T>(make: () => Promise<T>, removeFile: () => Promise<void>): Promise<T> {
  try {
    return await make();
  } catch (error) {
    const status = findResponseFault(error)?.status ?? 0;
    if (status >= 400 && status < 499 && !unsettled.includes(status)) await removeFile().catch(() => undefined);
    throw error;
  }
}

/** A file of JSON lines as a form takes it. */
export function toFileForm(lines: string, fields: Record<string, string>): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  form.append('file', new File([lines], 'batch.jsonl', { type: 'application/jsonl' }));
  return form;
}
