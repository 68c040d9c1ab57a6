import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Readable } from 'node:stream';
import { text as readText } from 'node:stream/consumers';
import type { Mountable } from '@copilotkit/aimock';
import * as z from 'zod';
import { composeDemoAnswer, type DemoAnswer } from './demo-answer.ts';

const Line = z.object({ custom_id: z.string(), url: z.string(), body: z.looseObject({ model: z.string() }) });
const NewBatch = z.object({ input_file_id: z.string(), endpoint: z.string(), metadata: z.unknown().optional() });

interface DemoBatch {
  id: string;
  object: 'batch';
  endpoint: string;
  input_file_id: string;
  output_file_id?: string;
  status: 'in_progress' | 'completed' | 'cancelled';
  created_at: number;
  metadata: unknown;
  request_counts: { total: number; completed: number; failed: number };
}

/** As if a vendor had something to do meanwhile. */
const worksForMs = 3_000;
const kept = 100;

/** OpenAI's files and batches, whose answers are those that the same prompts get one by one. All is in memory. */
export function createDemoBatches(now: () => number = Date.now): { files: Mountable; batches: Mountable } {
  const files = new Map<string, string>();
  const batches = new Map<string, DemoBatch>();
  const add = <T>(store: Map<string, T>, id: string, value: T) => {
    store.set(id, value);
    // What nobody took away.
    if (store.size > kept) store.delete([...store.keys()][0] ?? '');
  };
  const look = (batch: DemoBatch): DemoBatch => {
    if (batch.status !== 'in_progress' || now() < batch.created_at * 1_000 + worksForMs) return batch;
    const lines = (files.get(batch.input_file_id) ?? '').split('\n').filter((line) => line !== '');
    batch.output_file_id = `file-${randomUUID()}`;
    batch.status = 'completed';
    batch.request_counts = { total: lines.length, completed: lines.length, failed: 0 };
    add(files, batch.output_file_id, lines.map(answerLine).join('\n'));
    return batch;
  };

  return {
    files: {
      async handleRequest(request, response, path) {
        const [, id = '', part] = path.split('/');
        const content = files.get(id);
        if (request.method === 'POST') {
          const fileId = `file-${randomUUID()}`;
          add(files, fileId, await readUpload(request));
          return sendJson(response, 200, { id: fileId, object: 'file', purpose: 'batch' });
        }
        if (content === undefined) return sendJson(response, 404, notFound('file'));
        if (request.method === 'DELETE') {
          files.delete(id);
          return sendJson(response, 200, { id, object: 'file', deleted: true });
        }
        if (part !== 'content') return sendJson(response, 200, { id, object: 'file', purpose: 'batch' });
        response.writeHead(200, { 'content-type': 'application/jsonl' }).end(content);
        return true;
      },
    },
    batches: {
      async handleRequest(request, response, path) {
        const [, id = '', action] = path.split('/');
        if (request.method === 'POST' && id === '') {
          const asked = NewBatch.safeParse(JSON.parse(await readText(request)));
          if (!asked.success || !files.has(asked.data.input_file_id))
            return sendJson(response, 400, notFound('input file'));
          const { input_file_id: input, endpoint, metadata } = asked.data;
          const batch: DemoBatch = {
            id: `batch_${randomUUID()}`,
            object: 'batch',
            endpoint,
            input_file_id: input,
            status: 'in_progress',
            created_at: Math.floor(now() / 1_000),
            metadata,
            request_counts: { total: 0, completed: 0, failed: 0 },
          };
          add(batches, batch.id, batch);
          return sendJson(response, 200, batch);
        }
        if (id === '')
          return sendJson(response, 200, { data: [...batches.values()].toReversed().map(look), has_more: false });
        const batch = batches.get(id);
        if (batch === undefined) return sendJson(response, 404, notFound('batch'));
        if (action === 'cancel' && look(batch).status === 'in_progress') batch.status = 'cancelled';
        return sendJson(response, 200, look(batch));
      },
    },
  };
}

/** The one file of a form. */
async function readUpload(request: IncomingMessage): Promise<string> {
  const type = request.headers['content-type'] ?? '';
  // Node's own parser of forms; it takes the stream of the web, which this is.
  const form = await new Response(Readable.toWeb(request) as ReadableStream, {
    headers: { 'content-type': type },
  }).formData();
  const file = form.get('file');
  return file instanceof Blob ? file.text() : '';
}

function answerLine(line: string): string {
  const { custom_id: id, url, body } = Line.parse(JSON.parse(line));
  const answer = composeDemoAnswer(body.model, findPrompt(body['messages'] ?? body['input']));
  const whole = url.endsWith('/responses') ? toResponse(body.model, answer) : toCompletion(body.model, answer);
  return JSON.stringify({ id: `req-${id}`, custom_id: id, response: { status_code: 200, body: whole }, error: null });
}

function toResponse(model: string, { text, inputTokens, outputTokens }: DemoAnswer) {
  return {
    id: `resp-${randomUUID()}`,
    object: 'response',
    model,
    status: 'completed',
    output: [{ type: 'message', role: 'assistant', content: [{ type: 'output_text', text, annotations: [] }] }],
    usage: { input_tokens: inputTokens, output_tokens: outputTokens, total_tokens: inputTokens + outputTokens },
  };
}

function toCompletion(model: string, { text, inputTokens, outputTokens }: DemoAnswer) {
  const usage = {
    prompt_tokens: inputTokens,
    completion_tokens: outputTokens,
    total_tokens: inputTokens + outputTokens,
  };
  const choices = [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }];
  return { id: `chatcmpl-${randomUUID()}`, object: 'chat.completion', model, choices, usage };
}

const Turn = z.object({
  role: z.string(),
  content: z.union([z.string(), z.array(z.looseObject({ text: z.string().optional() }))]),
});

/** What the user said last, in either of OpenAI's forms. */
function findPrompt(asked: unknown): string {
  if (typeof asked === 'string') return asked;
  const turns = z.array(Turn).catch([]).parse(asked);
  const content = turns.findLast(({ role }) => role === 'user')?.content ?? '';
  return typeof content === 'string' ? content : content.map(({ text = '' }) => text).join(' ');
}

function notFound(what: string) {
  return { error: { type: 'invalid_request_error', message: `There is no such ${what}.` } };
}

function sendJson(response: ServerResponse, status: number, body: object): true {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  return true;
}
