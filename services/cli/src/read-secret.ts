import { createInterface } from 'node:readline/promises';
import { text as readAll } from 'node:stream/consumers';
import { Writable } from 'node:stream';
import { Interrupted } from './interrupt.ts';

export interface SecretStreams {
  input: NodeJS.ReadableStream & { isTTY?: boolean };
  /** For the question; what is typed is never written. */
  output: NodeJS.WritableStream;
}

/**
 * Reads a secret from a pipe, or asks a person for it without showing what is typed. Space around it is dropped.
 * @throws Interrupted or Error when the person breaks off, by Ctrl-C or an end of input
 */
export async function readSecret(question: string, { input, output }: SecretStreams): Promise<string> {
  if (input.isTTY !== true) return (await readAll(input)).trim();
  output.write(question);
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const prompt = createInterface({ input, output: nowhere, terminal: true, historySize: 0 });
  const brokenOff = new Promise<never>((_, reject) => {
    prompt.once('SIGINT', () => reject(new Interrupted('SIGINT', 'Broken off: nothing was stored.')));
    prompt.once('close', () => reject(new Error('Broken off: nothing was stored.')));
  });
  try {
    return (await Promise.race([prompt.question(''), brokenOff])).trim();
  } finally {
    brokenOff.catch(() => undefined);
    prompt.close();
    output.write('\n');
  }
}
