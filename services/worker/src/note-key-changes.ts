import type { Database } from '@aimm/database';
import type { KeyVerdict } from '@aimm/local-stack';
import type { Logger } from '@aimm/runtime';
import type { ProviderSetOptions } from './provider-set.ts';

/**
 * Logs that a key was set aside or came back; for a stored one the database knows it too, and from there other workers; for one
 * of the environment `tell`, since the supervisor may have another.
 */
export function noteKeyChanges(
  database: () => Promise<Pick<Database, 'apiKeys'>>,
  logger: Logger,
  tell: (verdict: KeyVerdict) => void,
): NonNullable<ProviderSetOptions['onKeyChange']> {
  return (provider, { id, label, source, mark }, failure) => {
    const details = { provider, key: label };
    if (failure === undefined) logger.info(details, 'A key is accepted again');
    else logger.warn({ ...details, code: failure.code, until: failure.until }, 'A key was refused and is set aside');
    if (mark !== undefined && failure?.code !== 'quota_exceeded')
      tell({ provider, mark, refused: failure !== undefined });
    if (source !== 'database') return;
    database()
      .then(({ apiKeys }) => apiKeys.recordFailure(id, failure && { at: failure.at, reason: failure.code }))
      .catch((error: unknown) => logger.debug({ err: error, ...details }, 'Could not note the state of a key'));
  };
}
