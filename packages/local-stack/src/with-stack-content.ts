import type { Logger, RawEnvironment } from '@aimm/runtime';
import type { StackInfo } from './protocol.ts';

/** Whether content is kept is the stack's to say: where it is not, no client of it keeps any, whatever its own environment says. */
export function withStackContent(
  raw: RawEnvironment,
  { storesContent = true }: Pick<StackInfo, 'storesContent'> = {},
  logger: Logger,
): RawEnvironment {
  if (!storesContent) return { ...raw, STORE_CONTENT: 'off' };
  if (raw['STORE_CONTENT'] === 'off') {
    logger.warn(
      'STORE_CONTENT is off here and on in the stack that runs, which keeps what is said: end it (`aimm down`), so that it starts anew',
    );
  }
  return raw;
}
