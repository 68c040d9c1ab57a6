import { ModelManagerError } from '@aimm/contracts';
import { formatCost } from '@aimm/runtime/format';
import type { BatchEstimate, BatchOptions } from './batch-types.ts';

/**
 * Whether it may be started. Gives the limit that holds from then on: none where somebody was asked and wants none.
 * @throws budget_exceeded naming both figures and the way out
 */
export async function requireAffordable(
  estimate: Omit<BatchEstimate, 'maxCostNanoUsd'> & { maxCostNanoUsd: number | undefined },
  confirm: BatchOptions['confirm'],
): Promise<number | undefined> {
  const { estimatedNanoUsd, maxCostNanoUsd } = estimate;
  if (maxCostNanoUsd === undefined) return undefined;
  if (estimatedNanoUsd !== null && estimatedNanoUsd <= maxCostNanoUsd) return maxCostNanoUsd;
  const answer = await confirm?.({ ...estimate, maxCostNanoUsd });
  if (answer === true) return undefined;
  if (answer === 'limited') return maxCostNanoUsd;
  if (estimatedNanoUsd === null) {
    throw new ModelManagerError(
      'budget_exceeded',
      `What the batch will cost cannot be told, as the price of a model is unknown; it may cost ${formatCost(maxCostNanoUsd)}.`,
      {
        retryable: false,
        hint: 'Nothing was asked. Give the price in config/models.json, leave that model out, or set no limit; estimate_cost names the models.',
      },
    );
  }
  throw new ModelManagerError(
    'budget_exceeded',
    `The batch is expected to cost about ${formatCost(estimatedNanoUsd)}, more than the ${formatCost(maxCostNanoUsd)} that it may cost.`,
    {
      retryable: false,
      hint: 'Nothing was asked. Raise the limit (max_cost_usd, --max-cost), ask fewer or cheaper models, or limit the answers with max_output_tokens.',
    },
  );
}
