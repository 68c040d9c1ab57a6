import type { CostEstimate } from '@aimm/manager';
import * as z from 'zod';
import { formatCount, formatUsd, toUsd } from './units.ts';

export const EstimateSchema = z.object({
  asked: z.string().describe('The model as it was named.'),
  alias: z.string().optional(),
  model: z.string(),
  provider: z.string(),
  input_tokens: z.int(),
  expected_output_tokens: z.int().describe('Of an ordinary answer.'),
  max_output_tokens: z.int().describe('Of the longest answer reckoned with; what budgets reserve.'),
  expected_cost_usd: z.number().nullable().describe('null: the price is unknown.'),
  max_cost_usd: z.number().nullable(),
  price_version: z.string().optional(),
  reason: z.string().optional().describe('Why there is no cost.'),
  warnings: z.array(z.string()),
});

export function toEstimateOutput(estimate: CostEstimate): z.input<typeof EstimateSchema> {
  return {
    asked: estimate.asked,
    ...(estimate.alias !== undefined && { alias: estimate.alias }),
    model: estimate.model,
    provider: estimate.provider,
    input_tokens: estimate.inputTokens,
    expected_output_tokens: estimate.expectedOutputTokens,
    max_output_tokens: estimate.maxOutputTokens,
    expected_cost_usd: toUsd(estimate.expectedNanoUsd),
    max_cost_usd: toUsd(estimate.maxNanoUsd),
    price_version: estimate.priceVersion,
    reason: estimate.unpricedBecause,
    warnings: estimate.warnings,
  };
}

/** `openai/gpt-6-luna (fast): $0.00042, at most $0.0031 · about 120 in, 500 to 4,096 out tokens`. */
function formatEstimate(estimate: CostEstimate): string {
  const { asked, model, inputTokens, expectedOutputTokens, maxOutputTokens, expectedNanoUsd, maxNanoUsd } = estimate;
  const name = asked === model ? model : `${model} (${asked})`;
  const range =
    expectedOutputTokens === maxOutputTokens
      ? formatCount(maxOutputTokens)
      : `${formatCount(expectedOutputTokens)} to ${formatCount(maxOutputTokens)}`;
  const cost =
    expectedNanoUsd === null
      ? 'price unknown'
      : `${formatUsd(toUsd(expectedNanoUsd))}, at most ${formatUsd(toUsd(maxNanoUsd))}`;
  return [`${name}: ${cost} · about ${formatCount(inputTokens)} in, ${range} out tokens`, ...estimate.warnings].join(
    '. ',
  );
}

export function formatEstimates(estimates: readonly CostEstimate[]): string {
  return ['Estimated, cheapest first; nothing was asked.', ...estimates.map((one) => `- ${formatEstimate(one)}`)].join(
    '\n',
  );
}
