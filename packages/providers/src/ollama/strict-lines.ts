import type { Fetch } from '../adapter/transport.ts';

/**
 * The SDK prints a line that is no JSON to the console, answer and all, and goes on without it. This breaks the stream
 * there instead, with a SyntaxError.
 */
export function withStrictLines(fetch: Fetch): Fetch {
  return async (input, init) => {
    const response = await fetch(input, init);
    const url = input instanceof Request ? input.url : String(input);
    if (response.body === null || !url.endsWith('/api/chat')) return response;
    return new Response(response.body.pipeThrough(createLineCheck()), response);
  };
}

function createLineCheck(): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder();
  let rest = '';
  const check = (line: string) => {
    if (line !== '') JSON.parse(line);
  };
  return new TransformStream({
    transform(chunk, controller) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      lines.forEach(check);
      controller.enqueue(chunk);
    },
    flush() {
      check(rest + decoder.decode());
    },
  });
}
