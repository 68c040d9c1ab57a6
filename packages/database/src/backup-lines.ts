import { TextDecoder } from 'node:util';
import { ModelManagerError } from '@aimm/contracts';

export interface BackupTextLine {
  /** From 1. */
  number: number;
  text: string;
  /** Whether a line break followed: the last line of a file that was cut off has none. */
  isEnded: boolean;
}

/** More than any row takes; a file without line breaks must not fill the memory. */
const longestLine = 256 * 2 ** 20;

/** The lines of a file of UTF-8. @throws ModelManagerError `invalid_request` for other bytes and for a line that has no end */
export async function* splitLines(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<BackupTextLine> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let number = 1;
  let pieces: string[] = [];
  let waiting = 0;
  const decode = (chunk: Uint8Array) => {
    try {
      return decoder.decode(chunk, { stream: true });
    } catch (cause) {
      throw new ModelManagerError('invalid_request', `Line ${number} or one soon after it is not UTF-8 text.`, {
        cause,
      });
    }
  };
  for await (const chunk of bytes) {
    const [first = '', ...rest] = decode(chunk).split('\n');
    pieces.push(first);
    waiting += first.length;
    if (waiting > longestLine) {
      throw new ModelManagerError('invalid_request', `Line ${number} is longer than any line of a backup.`);
    }
    for (const next of rest) {
      yield { number, text: pieces.join(''), isEnded: true };
      number += 1;
      pieces = [next];
      waiting = next.length;
    }
  }
  const text = pieces.join('') + (endsWithin(decoder) ? '\uFFFD' : '');
  if (text !== '') yield { number, text, isEnded: false };
}

/** Whether the bytes end in the middle of a character. */
function endsWithin(decoder: TextDecoder): boolean {
  try {
    decoder.decode();
    return false;
  } catch {
    return true;
  }
}
