import { createInterface } from 'node:readline/promises';
import { Interrupted } from './interrupt.ts';

/** Whether there is a person who can be asked. */
export function canAsk(): boolean {
  return process.stdin.isTTY === true;
}

/** A question with yes or no, on stderr; no unless somebody says yes, and where the input ends. @throws Interrupted on Ctrl-C */
export async function askToGoOn(question: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  // The terminal is read raw while it asks: Ctrl-C is a key then, and no signal.
  const brokenOff = new Promise<string>((resolve, reject) => {
    terminal.once('SIGINT', () => {
      // Whoever runs under `withInterrupt` ends as after a signal; it may be far up, behind what makes errors its own.
      if (process.emit('SIGINT', 'SIGINT')) resolve('');
      else reject(new Interrupted('SIGINT'));
    });
    terminal.once('close', () => resolve(''));
  });
  const asked = terminal.question(`${question} [y/N] `);
  // Whoever leaves by a key has it rejected, too.
  asked.catch(() => undefined);
  try {
    const answer = await Promise.race([brokenOff, asked.catch(() => brokenOff)]);
    return /^y(es)?$/i.test(answer.trim());
  } catch (error) {
    process.stderr.write('\n');
    throw error;
  } finally {
    terminal.close();
  }
}
