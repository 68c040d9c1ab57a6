import { askPlainly } from './ask-plainly.ts';

/**
 * The batches that somebody has to look after although none of their jobs may be in a queue: that run, go on by themselves
 * later, are still being cancelled, or have something at a vendor. One that a user paused waits for the user. Asked as
 * `findKeyedProviders` asks. @throws ModelManagerError `unavailable`
 */
export function findOpenBatches(url: string): Promise<string[]> {
  return askPlainly(
    url,
    'batch_submissions',
    `SELECT id FROM batches
     WHERE status = 'running' OR (status = 'cancelled' AND ended_at IS NULL) OR (status = 'paused' AND resume_at IS NOT NULL)
     UNION SELECT batch_id FROM batch_submissions WHERE status <> 'ended'
     ORDER BY id`,
  );
}
