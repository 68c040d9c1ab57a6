import { isObject } from './error-body.ts';

export function toJsonLines(lines: Iterable<object>): string {
  return [...lines].map((line) => `${JSON.stringify(line)}\n`).join('');
}

/**
 * The objects of a body of JSON lines, as they come. What is no JSON object is passed over: nobody can say whose it was, and
 * whoever is missing at the end was not answered.
 *
 * @throws what the connection broke with
 */
export async function* readJsonLines(body: Response['body']): AsyncGenerator<Record<string, unknown>> {
  if (body === null) return;
  const decoder = new TextDecoder();
  let rest = '';
  // Whoever leaves early leaves the body as it is: the end of the call closes it, and cancelling it throws where nobody catches.
  for await (const chunk of body.values({ preventCancel: true })) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) yield* parseLine(line);
  }
  yield* parseLine(rest + decoder.decode());
}

function* parseLine(line: string): Generator<Record<string, unknown>> {
  if (line.trim() === '') return;
  try {
    const value: unknown = JSON.parse(line);
    if (isObject(value)) yield value;
  } catch {
    // Passed over, as said above.
  }
}
