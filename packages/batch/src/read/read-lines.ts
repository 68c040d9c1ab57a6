/** A line and its number, from 1. */
export interface Line {
  text: string;
  number: number;
}

/** A file in another encoding, from this line on at the latest. */
export class NotUtf8Error extends Error {
  override name = 'NotUtf8Error';
  readonly line: number;

  constructor(line: number, options: ErrorOptions) {
    super('The text is not UTF-8.', options);
    this.line = line;
  }
}

/**
 * Text of chunks, decoded as they come, without a byte order mark.
 *
 * @throws NotUtf8Error naming the line
 */
export async function* decode(chunks: AsyncIterable<string | Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let first = true;
  let line = 1;
  const toText = (bytes?: Uint8Array) => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch (cause) {
      throw new NotUtf8Error(line, { cause });
    }
  };
  /** A line at a time: a fault is in the one that cannot be decoded. */
  const toTexts = (chunk: Uint8Array) => {
    let text = '';
    for (let from = 0; from < chunk.length;) {
      const end = chunk.indexOf(10, from);
      text += toText(chunk.subarray(from, end < 0 ? chunk.length : end + 1));
      if (end < 0) break;
      from = end + 1;
      line += 1;
    }
    return text;
  };
  for await (const chunk of chunks) {
    let text = typeof chunk === 'string' ? chunk : toTexts(chunk);
    if (first && typeof chunk === 'string') text = text.replace(/^\uFEFF/, '');
    if (text !== '') first = false;
    yield text;
  }
  yield toText();
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
