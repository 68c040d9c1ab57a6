import type { BatchColumnSummary } from '@aimm/contracts';
import type { StoredBatch } from '@aimm/database';
import { isUnavailable } from '../is-unavailable.ts';
import type { Resources } from '../resources.ts';

/**
 * Why what vendors' batch APIs are to do for a batch does not go on, where something keeps it: a provider that nobody has a key of, or
 * what a vendor last said to a submission. Workers fail what waits in queues for the same; a vendor's batch waits. @throws unavailable
 */
export async function explainWait(
  { database, providers }: Pick<Resources, 'database' | 'providers'>,
  { id, status, endedAt }: StoredBatch,
  columns: readonly BatchColumnSummary[],
): Promise<string | undefined> {
  const open = columns.filter(
    ({ column, counts }) => column.lane === 'provider_batch' && counts.waiting + counts.queued > 0,
  );
  if (open.length === 0 || status === 'paused' || endedAt !== undefined) return undefined;
  for (const provider of new Set(open.map(({ column }) => column.provider))) {
    // Where workers cannot be asked nobody knows.
    const isConfigured = await providers.isConfigured(provider).catch((error: unknown) => {
      if (!isUnavailable(error)) throw error;
    });
    if (isConfigured === false)
      return `The provider "${provider}" is not configured. The batch goes on once it has a key (\`aimm keys add ${provider}\`).`;
  }
  const { batchSubmissions } = await database.get();
  const problem = await batchSubmissions.findProblem(id);
  return problem === undefined ? undefined : `${problem.message} ${problem.hint ?? ''}`.trimEnd();
}
