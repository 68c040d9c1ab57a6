import type { Logger, RawEnvironment } from '@aimm/runtime';
import type { StackInfo } from './protocol.ts';
import { isBudgetVariable } from './stack-settings.ts';

/**
 * A client's environment with what is the stack's to say. Whether content is kept: where it is not, no client of it keeps any. And the
 * budgets: every front counts all of its calls against them, as workers do those of batches.
 */
export function withStackSettings(
  raw: RawEnvironment,
  { storesContent = true, settings }: Pick<StackInfo, 'storesContent' | 'settings'>,
  logger: Logger,
): RawEnvironment {
  if (storesContent && raw['STORE_CONTENT'] === 'off') {
    logger.warn(
      'STORE_CONTENT is off here and on in the stack that runs, which keeps what is said: end it (`aimm down`), so that it starts anew',
    );
  }
  const kept = Object.entries(raw).filter(([name]) => settings === undefined || !isBudgetVariable(name));
  const budgets = Object.entries(settings ?? {}).filter(([name]) => isBudgetVariable(name));
  return { ...Object.fromEntries([...kept, ...budgets]), ...(!storesContent && { STORE_CONTENT: 'off' }) };
}
