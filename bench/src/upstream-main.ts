/** A vendor's place on loopback that answers at once, in a process of its own: OpenAI's Responses stream, nothing more. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const answer = 'A short answer, made at once.';
const event = (type: string, fields: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
const response = (status: string, output: object[]) => ({
  id: 'resp_1',
  object: 'response',
  created_at: 1,
  model: 'gpt-5-mini',
  status,
  output,
  usage: status === 'completed' ? { input_tokens: 8, output_tokens: 7, total_tokens: 15 } : null,
});
const message = {
  type: 'message',
  id: 'msg_1',
  role: 'assistant',
  status: 'completed',
  content: [{ type: 'output_text', text: answer, annotations: [] }],
};
const stream = [
  event('response.created', { sequence_number: 0, response: response('in_progress', []) }),
  event('response.output_text.delta', {
    sequence_number: 1,
    item_id: 'msg_1',
    output_index: 0,
    content_index: 0,
    delta: answer,
  }),
  event('response.completed', { sequence_number: 2, response: response('completed', [message]) }),
].join('');

const server = createServer((request, reply) => {
  request.resume();
  request.on('end', () => {
    if (request.method === 'GET') {
      reply.setHeader('content-type', 'application/json');
      reply.end('{"object":"list","data":[{"id":"gpt-5-mini","object":"model","created":1,"owned_by":"bench"}]}');
      return;
    }
    reply.writeHead(200, { 'content-type': 'text/event-stream' });
    reply.end(stream);
  });
});
server.keepAliveTimeout = 60_000;
server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
process.on('disconnect', () => process.exit(0));
