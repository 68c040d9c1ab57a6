import { ModelManagerError } from '@aimm/contracts';

/** The work's result. @throws unavailable when it takes longer than `timeoutMs`; the work itself goes on unheeded */
export async function within<T>(timeoutMs: number, what: string, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new ModelManagerError('unavailable', `${what} did not answer within ${timeoutMs / 1000} s.`));
    }, timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
