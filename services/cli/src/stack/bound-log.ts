import { copyFileSync, fstatSync, ftruncateSync } from 'node:fs';

const limitBytes = 10 * 1024 * 1024;
const stderr = 2;

/**
 * Keeps a background stack's log bounded: past 10 MB it is copied to `<path>.1` and emptied.
 * All children write to the same open file in append mode, so they go on writing at its new start.
 */
export function boundLog(path: string): { close(): void } {
  const check = () => {
    const { size } = fstatSync(stderr);
    if (size < limitBytes) return;
    copyFileSync(path, `${path}.1`);
    ftruncateSync(stderr, 0);
  };
  const timer = setInterval(check, 30_000).unref();
  return { close: () => clearInterval(timer) };
}
