import { text as readAll } from 'node:stream/consumers';
import { ModelManagerError } from '@aimm/contracts';
import { stderrColours } from './colours.ts';

/** After this long without an end of stdin somebody is told what is waited for. */
const patienceMs = 3_000;

export interface PromptStreams {
  stdin: NodeJS.ReadableStream & { isTTY?: boolean };
  stderr: { write(text: string): unknown };
}

/**
 * The prompt out of the arguments and stdin. A `-` among the arguments stands for stdin; without one, what comes through a
 * pipe or from a file follows the arguments after an empty line.
 * @throws invalid_request where nothing is asked, or `-` is given twice
 */
export async function readPrompt(words: readonly string[], streams: PromptStreams = process): Promise<string> {
  const isNamed = words.includes('-');
  if (words.filter((word) => word === '-').length > 1) {
    throw new ModelManagerError('invalid_request', 'stdin (-) can be read only once.');
  }
  const piped = isNamed || streams.stdin.isTTY !== true ? await readStdin(streams, words.length > 0) : '';
  const prompt = isNamed ? toParts(words, piped) : [words.join(' '), piped];
  const text = prompt.filter((part) => part.trim() !== '').join('\n\n');
  if (text !== '') return text;
  throw new ModelManagerError('invalid_request', 'There is no prompt.', {
    hint: 'Give one as the argument, or on stdin.',
  });
}

/** The words before `-`, stdin, the words after it. */
function toParts(words: readonly string[], piped: string): string[] {
  const at = words.indexOf('-');
  return [words.slice(0, at).join(' '), piped, words.slice(at + 1).join(' ')];
}

/** Without the line break that files end with. */
async function readStdin({ stdin, stderr }: PromptStreams, hasWords: boolean): Promise<string> {
  const hint = hasWords && stdin.isTTY !== true ? ' (`< /dev/null` where nothing is to come)' : '';
  const timer = setTimeout(
    () => stderr.write(stderrColours.dim(`[Reading the prompt from stdin${hint}]\n`)),
    patienceMs,
  );
  try {
    return (await readAll(stdin)).replace(/\r?\n$/, '');
  } finally {
    clearTimeout(timer);
  }
}
