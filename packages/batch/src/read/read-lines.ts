/** A line and its number, from 1. */
export interface Line {
  text: string;
  number: number;
}

/**
 * Text of chunks, decoded as they come, without a byte order mark.
 *
 * @throws TypeError where it is not UTF-8
 */
export async function* decode(chunks: AsyncIterable<string | Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let first = true;
  for await (const chunk of chunks) {
    let text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    if (first && typeof chunk === 'string') text = text.replace(/^\uFEFF/, '');
    if (text !== '') first = false;
    yield text;
  }
  yield decoder.decode();
}

/** Lines of text, split at `\n` with or without `\r` before it. Holds one line at a time. */
export async function* readLines(texts: AsyncIterable<string>): AsyncGenerator<Line> {
  let number = 0;
  let rest: string[] = [];
  for await (const text of texts) {
    const lines = text.split('\n');
    rest.push(lines[0] ?? '');
    if (lines.length === 1) continue;
    lines[0] = rest.join('');
    rest = [lines.pop() ?? ''];
    for (const line of lines) yield { text: line.replace(/\r$/, ''), number: ++number };
  }
  const last = rest.join('');
  if (last !== '') yield { text: last.replace(/\r$/, ''), number: number + 1 };
}
