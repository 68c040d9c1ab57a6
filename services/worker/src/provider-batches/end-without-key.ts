import { ModelManagerError } from '@aimm/contracts';
import type { SubmissionChange } from '@aimm/database';
import { recordLost } from './collect.ts';
import { concludeRequests } from './conclude.ts';
import type { Held, StepContext } from './keeper-options.ts';
import { loadGenerations } from './load-generations.ts';

/**
 * Ends a submission of a cancelled batch that the vendor has, or may have, and goes on with: without its key nobody can stop it there, nor
 * see what it comes to. @throws unavailable where the batch was not cancelled: the key may come back
 */
export async function endWithoutKey(held: Held, context: StepContext): Promise<SubmissionChange> {
  const { provider } = held.submission;
  if (held.batch.status !== 'cancelled') {
    throw new ModelManagerError('unavailable', `The key that a batch of ${provider} was submitted with is not here.`, {
      provider,
      hint: 'Add the key again, or cancel the batch: what the vendor did until then may be billed.',
    });
  }
  await recordLost(held, context, (await loadGenerations(held, context)).values());
  await concludeRequests(held, context, { outcome: 'cancelled' });
  return { status: 'ended', endedAt: context.now() };
}
