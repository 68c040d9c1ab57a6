import { readFile } from 'node:fs/promises';

/**
 * How long a process was ready to run and got no processor, in milliseconds since it began, as the kernel counts it (its main thread's).
 * 0 where the kernel does not say.
 */
export async function readRunDelayMs(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/schedstat`, 'utf8').catch(() => '');
  return Number(text.split(' ')[1] ?? 0) / 1e6;
}
