import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { BatchServer, Fate, KeptBatch } from './batch-server.ts';
import type { BatchKind } from './batch-wires.ts';

export interface Exchange {
  method: string;
  path: string;
  query: URLSearchParams;
  headers: IncomingHttpHeaders;
  body: Buffer;
  server: BatchServer;
  json: (body: object, headers?: Record<string, string>) => void;
  lines: (lines: string[]) => void;
  /** Keeps a new batch; undefined where whoever made it shall not hear of it. */
  keep: (batch: Pick<KeptBatch, 'name' | 'requests' | 'inputFile'>) => KeptBatch | undefined;
}

/** Answers what is its vendor's; false where there is no such address. */
type Speaker = (exchange: Exchange) => boolean | Promise<boolean>;

const isOver = ({ state }: KeptBatch) => ['ended', 'expired', 'cancelled', 'failed'].includes(state);
const find = (server: BatchServer, id: string | undefined) => server.batches.find((batch) => batch.id === id);
const fates = (server: BatchServer, { requests }: KeptBatch) =>
  requests.map(({ id, body }) => ({ id, fate: server.fateOf(id, body) }));
const stop = (batch: KeptBatch) => {
  if (!isOver(batch)) batch.state = 'ending';
};
const parse = (body: Buffer) => JSON.parse(body.toString()) as Record<string, unknown>;
interface InputLine {
  custom_id: string;
  key: string;
  url: string;
  body: Record<string, unknown>;
  request: Record<string, unknown>;
}
const parseLines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as InputLine);
const page = <T>(all: T[], from: number, size: number) => all.slice(from, from + size);

/** What a client uploaded as a form, read by the parser of the platform. */
async function readForm({ body, headers, server }: Exchange): Promise<{ id: string; fields: FormData }> {
  const fields = await new Response(new Uint8Array(body), {
    headers: { 'content-type': headers['content-type'] ?? '' },
  }).formData();
  const file = fields.get('file');
  if (!(file instanceof File) || fields.get('purpose') !== 'batch') throw new Error('not a file for a batch');
  const id = `file-${randomUUID()}`;
  server.files.set(id, await file.text());
  return { id, fields };
}

const isAnswer = (fate: Fate): fate is { answer: object } => typeof fate === 'object' && 'answer' in fate;

/** OpenAI and Mistral: one file of answers, one of all else. */
function toFiles(server: BatchServer, batch: KeptBatch, noResponse?: (word: string) => object) {
  const entry = (id: string, more: object) => JSON.stringify({ id: `r-${id}`, custom_id: id, ...more });
  const all = fates(server, batch);
  const output = all.flatMap(({ id, fate }) =>
    isAnswer(fate)
      ? [entry(id, { response: { status_code: 200, request_id: `req-${id}`, body: fate.answer }, error: null })]
      : [],
  );
  const errors = all.flatMap(({ id, fate }) => {
    if (fate === 'unmentioned' || isAnswer(fate)) return [];
    if (typeof fate === 'string') return noResponse === undefined ? [] : [entry(id, noResponse(fate))];
    return [entry(id, { response: { status_code: fate.status, body: fate.body }, error: null })];
  });
  return { output, errors };
}

const openai: Speaker = async (exchange) => {
  const { method, path, query, server, json, lines } = exchange;
  const [, , area, id, verb] = path.split('/');
  const noResponse = (word: string) => ({
    response: null,
    error: { code: `batch_${word}`, message: `This request was ${word}.` },
  });
  const show = (batch: KeptBatch) => {
    const words = { running: 'in_progress', ending: 'cancelling', ended: 'completed' } as Record<string, string>;
    const { output, errors } =
      isOver(batch) && batch.state !== 'failed' ? toFiles(server, batch, noResponse) : { output: [], errors: [] };
    return {
      id: batch.id,
      object: 'batch',
      endpoint: '/v1/responses',
      status: words[batch.state] ?? batch.state,
      created_at: Math.floor(batch.createdAt / 1000),
      input_file_id: batch.inputFile,
      completion_window: '24h',
      output_file_id: output.length > 0 ? `${batch.id}.output` : null,
      error_file_id: errors.length > 0 ? `${batch.id}.errors` : null,
      metadata: batch.name === undefined ? null : { aimm: batch.name },
      errors:
        batch.state === 'failed'
          ? {
              object: 'list',
              data: [
                batch.failure ?? { code: 'invalid_json_line', message: 'line 3 is no JSON', line: 3, param: null },
              ],
            }
          : null,
      request_counts: isOver(batch)
        ? { total: batch.requests.length, completed: output.length, failed: errors.length }
        : { total: 0, completed: 0, failed: 0 },
    };
  };
  if (area === 'files' && method === 'POST') {
    const { id: file, fields } = await readForm(exchange);
    if (fields.get('expires_after[seconds]') !== '2592000') throw new Error('a file that stays');
    json({ id: file, object: 'file' });
    return true;
  }
  if (area === 'files' && method === 'DELETE') {
    server.files.delete(id ?? '');
    json({ id, deleted: true });
    return true;
  }
  if (area === 'files' && verb === 'content') {
    const batch = find(server, id?.replace(/\.\w+$/, ''));
    if (batch === undefined) return false;
    const { output, errors } = toFiles(server, batch, noResponse);
    lines(id?.endsWith('.output') ? output : errors);
    return true;
  }
  if (area !== 'batches') return false;
  if (method === 'POST' && id === undefined) {
    const {
      input_file_id: inputFile,
      metadata,
      endpoint,
    } = parse(exchange.body) as Record<string, string & { aimm: string }>;
    const requests = parseLines(server.files.get(inputFile ?? '') ?? '').map(({ custom_id, url, body }) => {
      if (url !== endpoint) throw new Error('a line for another address');
      return { id: custom_id, body };
    });
    const batch = exchange.keep({ name: metadata?.aimm, requests, inputFile });
    if (batch !== undefined) json(show(batch));
    return true;
  }
  if (id === undefined) {
    const after = server.batches.findIndex((batch) => batch.id === query.get('after')) + 1;
    const size = Number(query.get('limit'));
    const data = page(server.batches, after, size).map(show);
    json({ object: 'list', data, has_more: after + size < server.batches.length });
    return true;
  }
  const batch = find(server, id);
  if (batch === undefined) return false;
  if (verb === 'cancel') stop(batch);
  json(show(batch));
  return true;
};

const anthropic: Speaker = ({ method, path, query, body, server, json, lines, keep }) => {
  const [, , , area, id, verb] = path.split('/');
  if (area !== 'batches') return false;
  const show = (batch: KeptBatch) => {
    const count = (want: (fate: Fate) => boolean) =>
      isOver(batch) ? fates(server, batch).filter(({ fate }) => want(fate)).length : 0;
    const counts = {
      succeeded: count(isAnswer),
      errored: count((fate) => typeof fate === 'object' && !isAnswer(fate)),
      canceled: count((fate) => fate === 'cancelled'),
      expired: count((fate) => fate === 'expired'),
    };
    return {
      id: batch.id,
      type: 'message_batch',
      processing_status: isOver(batch) ? 'ended' : batch.state === 'ending' ? 'canceling' : 'in_progress',
      created_at: new Date(batch.createdAt).toISOString(),
      results_url: isOver(batch) ? `https://elsewhere.invalid${path}/results` : null,
      request_counts: { processing: isOver(batch) ? 0 : batch.requests.length, ...counts },
    };
  };
  if (id === undefined && method === 'POST') {
    const { requests } = parse(body) as unknown as {
      requests: { custom_id: string; params: Record<string, unknown> }[];
    };
    const odd = requests.find(({ custom_id }) => !/^[a-zA-Z0-9_-]{1,64}$/.test(custom_id));
    if (odd !== undefined) throw new Error(`no custom_id: ${odd.custom_id}`);
    const batch = keep({
      name: undefined,
      inputFile: undefined,
      requests: requests.map(({ custom_id, params }) => ({ id: custom_id, body: params })),
    });
    if (batch !== undefined) json(show(batch));
    return true;
  }
  if (id === undefined) {
    const after = server.batches.findIndex((batch) => batch.id === query.get('after_id')) + 1;
    // Smaller pages than asked for, which every client must take.
    const data = page(server.batches, after, 2).map(show);
    json({ data, has_more: after + 2 < server.batches.length });
    return true;
  }
  const batch = find(server, id);
  if (batch === undefined) return false;
  if (method === 'DELETE') {
    server.batches.splice(server.batches.indexOf(batch), 1);
    json({ id, type: 'message_batch_deleted' });
  } else if (verb === 'results') {
    const all = fates(server, batch).flatMap(({ id: custom_id, fate }): object[] => {
      if (fate === 'unmentioned') return [];
      if (isAnswer(fate)) return [{ custom_id, result: { type: 'succeeded', message: fate.answer } }];
      if (typeof fate === 'string')
        return [{ custom_id, result: { type: fate === 'cancelled' ? 'canceled' : 'expired' } }];
      return [{ custom_id, result: { type: 'errored', error: fate.body } }];
    });
    lines(all.map((line) => JSON.stringify(line)));
  } else {
    if (verb === 'cancel') stop(batch);
    json(show(batch));
  }
  return true;
};

const google: Speaker = ({ method, path, query, headers, body, server, json, lines, keep }) => {
  const show = (batch: KeptBatch) => {
    const words: Record<string, string> = {
      validating: 'PENDING',
      ending: 'CANCELLING',
      ended: 'SUCCEEDED',
    };
    const hasResults = batch.state === 'ended' || (batch.state === 'failed' && batch.begun === true);
    const all = hasResults ? fates(server, batch) : [];
    const succeeded = all.filter(({ fate }) => isAnswer(fate)).length;
    return {
      name: `batches/${batch.id}`,
      done: isOver(batch),
      metadata: {
        '@type': 'type.googleapis.com/google.ai.generativelanguage.v1main.GenerateContentBatch',
        displayName: batch.name,
        state: `BATCH_STATE_${words[batch.state] ?? batch.state.toUpperCase()}`,
        createTime: new Date(batch.createdAt).toISOString(),
        inputConfig: { fileName: batch.inputFile },
        ...(hasResults && { output: { responsesFile: `files/output-${batch.id}` } }),
        // Zero counts are not sent.
        batchStats: {
          requestCount: `${batch.requests.length}`,
          ...(succeeded > 0 && { successfulRequestCount: `${succeeded}` }),
          ...(all.length > succeeded && { failedRequestCount: `${all.length - succeeded}` }),
        },
      },
      ...(batch.state === 'failed' && { error: { code: 3, message: 'line 3 is no request' } }),
    };
  };
  if (path === '/upload/v1beta/files' && headers['x-goog-upload-command'] === 'start') {
    const address = `https://upload.elsewhere.invalid/upload/v1beta/files?upload_id=up-1&upload_protocol=resumable`;
    json({}, { 'x-goog-upload-url': address, 'x-goog-upload-status': 'active' });
    return true;
  }
  if (path === '/upload/v1beta/files' && query.get('upload_id') === 'up-1') {
    if (headers['x-goog-upload-command'] !== 'upload, finalize') return false;
    const name = `files/${randomUUID()}`;
    server.files.set(name, body.toString());
    json({ file: { name, state: 'ACTIVE' } }, { 'x-goog-upload-status': 'final' });
    return true;
  }
  const create = /^\/v1beta\/models\/([^/]+):batchGenerateContent$/.exec(path);
  if (create !== null) {
    const { batch: asked } = parse(body) as unknown as {
      batch: { displayName: string; inputConfig: { fileName: string } };
    };
    const inputFile = asked.inputConfig.fileName;
    const requests = parseLines(server.files.get(inputFile) ?? '').map(({ key, request }) => ({
      id: key,
      body: request,
    }));
    const batch = keep({ name: asked.displayName, requests, inputFile });
    if (batch !== undefined) json(show(batch));
    return true;
  }
  if (path === '/v1beta/batches') {
    const from = Number(query.get('pageToken') ?? 0);
    const operations = page(server.batches, from, 2).map(show);
    const more = from + 2 < server.batches.length && { nextPageToken: `${from + 2}` };
    json({ ...(operations.length > 0 && { operations }), ...more });
    return true;
  }
  const output = /^\/v1beta\/files\/output-(.+):download$/.exec(path);
  if (output !== null && query.get('alt') === 'media') {
    const batch = find(server, output[1]);
    if (batch === undefined) return false;
    const all = fates(server, batch).flatMap(({ id: key, fate }): object[] => {
      if (fate === 'unmentioned') return [];
      if (isAnswer(fate)) return [{ key, response: fate.answer }];
      if (typeof fate === 'string') return [{ key, error: { code: fate === 'cancelled' ? 1 : 4, message: fate } }];
      return [{ key, error: fate.body }];
    });
    lines(all.map((line) => JSON.stringify(line)));
    return true;
  }
  if (method === 'DELETE' && path.startsWith('/v1beta/files/')) {
    server.files.delete(path.replace('/v1beta/', ''));
    json({});
    return true;
  }
  const [, id, verb] = /^\/v1beta\/batches\/([\w-]+)(?::(\w+))?$/.exec(path) ?? [];
  const batch = find(server, id);
  if (batch === undefined) return false;
  if (method === 'DELETE') server.batches.splice(server.batches.indexOf(batch), 1);
  if (verb === 'cancel') stop(batch);
  json(method === 'DELETE' || verb === 'cancel' ? {} : show(batch));
  return true;
};

const mistral: Speaker = async (exchange) => {
  const { method, path, query, server, json, lines } = exchange;
  const show = (batch: KeptBatch) => {
    const words: Record<string, string> = {
      validating: 'QUEUED',
      ending: 'CANCELLATION_REQUESTED',
      ended: 'SUCCESS',
      expired: 'TIMEOUT_EXCEEDED',
    };
    // What was not done in time is in neither file.
    const hasResults = isOver(batch) && (batch.state !== 'failed' || batch.begun === true);
    const { output, errors } = hasResults ? toFiles(server, batch) : { output: [], errors: [] };
    return {
      id: batch.id,
      object: 'batch',
      input_files: [batch.inputFile],
      endpoint: '/v1/chat/completions',
      model: 'm-1',
      metadata: { aimm: batch.name },
      errors: batch.state === 'failed' ? [{ message: 'line 3 is no request', count: 1 }] : [],
      status: words[batch.state] ?? batch.state.toUpperCase(),
      created_at: Math.floor(batch.createdAt / 1000),
      total_requests: batch.requests.length,
      completed_requests: output.length + errors.length,
      succeeded_requests: output.length,
      failed_requests: errors.length,
      output_file: output.length > 0 ? `${batch.id}.output` : null,
      error_file: errors.length > 0 ? `${batch.id}.errors` : null,
    };
  };
  if (path === '/v1/files' && method === 'POST') {
    const { id } = await readForm(exchange);
    json({ id, object: 'file', purpose: 'batch' });
    return true;
  }
  const [, file, content] = /^\/v1\/files\/([^/]+)(\/content)?$/.exec(path) ?? [];
  if (file !== undefined && method === 'DELETE') {
    server.files.delete(file);
    json({ id: file, deleted: true });
    return true;
  }
  if (file !== undefined && content !== undefined) {
    const batch = find(server, file.replace(/\.\w+$/, ''));
    if (batch === undefined) return false;
    const { output, errors } = toFiles(server, batch);
    lines(file.endsWith('.output') ? output : errors);
    return true;
  }
  if (path === '/v1/batch/jobs' && method === 'POST') {
    const asked = parse(exchange.body) as unknown as {
      input_files: string[];
      metadata: { aimm: string };
      model: string;
    };
    const [inputFile = ''] = asked.input_files;
    const requests = parseLines(server.files.get(inputFile) ?? '').map(({ custom_id, body }) => ({
      id: custom_id,
      body,
    }));
    const batch = exchange.keep({ name: asked.metadata.aimm, requests, inputFile });
    if (batch !== undefined) json(show(batch));
    return true;
  }
  if (path === '/v1/batch/jobs') {
    const size = Number(query.get('page_size'));
    const recent = server.batches.filter(({ createdAt }) => createdAt >= Date.parse(query.get('created_after') ?? ''));
    json({
      object: 'list',
      data: page(recent, Number(query.get('page')) * size, size).map(show),
      total: recent.length,
    });
    return true;
  }
  const [, id, verb] = /^\/v1\/batch\/jobs\/([^/]+)(?:\/(\w+))?$/.exec(path) ?? [];
  const batch = find(server, id);
  if (batch === undefined) return false;
  if (verb === 'cancel') stop(batch);
  json(show(batch));
  return true;
};

export const speakers: Record<BatchKind, Speaker> = { openai, anthropic, google, mistral };
