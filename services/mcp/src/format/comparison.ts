import { type ComparisonEntry, type ComparisonResult, type ComparisonSummary, RequestStatus } from '@aimm/contracts';
import * as z from 'zod';
import { formatError, toErrorOutput } from '../errors.ts';
import { ErrorSchema } from './error-schema.ts';
import { formatAnswer, formatFooter, generationFields, toGenerationOutput } from './generation.ts';
import { formatCount, formatSeconds, formatUsd, toUsd } from './units.ts';

export const comparisonFields = {
  job_id: z.string().optional(),
  status: RequestStatus,
  results: z
    .array(z.object(generationFields).omit({ conversation_id: true, partial_text: true }))
    .optional()
    .describe('One per model, in the order asked: an answer, or error.'),
  summary: z
    .object({
      succeeded: z.int(),
      failed: z.int(),
      fastest: z.string().optional(),
      cheapest: z.string().optional(),
      longest: z.string().optional(),
      total_cost_usd: z.number().nullable().describe('With the judge, as are the tokens.'),
      total_input_tokens: z.int(),
      total_output_tokens: z.int(),
      total_ms: z.number(),
    })
    .optional(),
  judgement: z
    .object({
      judge: z.string(),
      job_id: z.string(),
      winner: z.string().optional(),
      ranking: z.array(z.object({ model: z.string(), score: z.number().optional(), reason: z.string().optional() })),
      error: ErrorSchema.optional(),
      cost_usd: z.number().nullable().optional(),
    })
    .optional(),
  progress: z.object({ finished: z.int(), total: z.int() }).optional().describe('While status is running.'),
  error: ErrorSchema.optional(),
};
const ComparisonOutput = z.object(comparisonFields);
export type ComparisonOutput = z.input<typeof ComparisonOutput>;

export function toComparisonOutput(comparison: ComparisonResult): ComparisonOutput {
  const { judgement } = comparison;
  return {
    job_id: comparison.requestId,
    status: 'succeeded',
    results: comparison.entries.map(toEntryOutput),
    summary: toSummaryOutput(comparison.summary),
    judgement: judgement && {
      judge: judgement.judge,
      job_id: judgement.requestId,
      winner: judgement.winner,
      ranking: judgement.ranking,
      error: judgement.error && toErrorOutput(judgement.error),
      ...(judgement.costNanoUsd !== undefined && { cost_usd: toUsd(judgement.costNanoUsd) }),
    },
  };
}

function toEntryOutput(entry: ComparisonEntry): NonNullable<ComparisonOutput['results']>[number] {
  if (entry.result !== undefined) return toGenerationOutput(entry.result);
  return {
    job_id: entry.requestId,
    status: entry.error?.code === 'cancelled' ? 'cancelled' : entry.error === undefined ? 'running' : 'failed',
    model: `${entry.provider}/${entry.model}`,
    provider: entry.provider,
    error: entry.error && toErrorOutput(entry.error),
  };
}

function toSummaryOutput(summary: ComparisonSummary): NonNullable<ComparisonOutput['summary']> {
  return {
    succeeded: summary.succeeded,
    failed: summary.failed,
    fastest: summary.fastest,
    cheapest: summary.cheapest,
    longest: summary.longest,
    total_cost_usd: toUsd(summary.totalCostNanoUsd),
    total_input_tokens: summary.totalInputTokens,
    total_output_tokens: summary.totalOutputTokens,
    total_ms: summary.totalMs,
  };
}

/** Each answer under its model's name, then the summary and the judgement. */
export function formatComparison(comparison: ComparisonResult): string[] {
  return [
    ...comparison.entries.map((entry, index) => formatEntry(entry, index)),
    [formatSummary(comparison), formatJudgement(comparison)].filter((block) => block !== '').join('\n\n'),
  ];
}

function formatEntry(entry: ComparisonEntry, index: number): string {
  const heading = `## ${index + 1}. ${entry.provider}/${entry.model}`;
  if (entry.result !== undefined) return `${heading}\n\n${formatAnswer(entry.result)}\n\n${formatFooter(entry.result)}`;
  if (entry.error === undefined) return `${heading}\n\nNo answer yet.`;
  return `${heading}\n\n${formatError(entry.error, entry.requestId)}`;
}

function formatSummary({ summary, judgement, requestId }: ComparisonResult): string {
  const best = [
    summary.fastest === undefined ? '' : `fastest ${summary.fastest}`,
    summary.cheapest === undefined ? '' : `cheapest ${summary.cheapest}`,
    summary.longest === undefined ? '' : `longest answer ${summary.longest}`,
  ].filter((fact) => fact !== '');
  const tokens = `${formatCount(summary.totalInputTokens)} in, ${formatCount(summary.totalOutputTokens)} out tokens`;
  const judged = judgement?.costNanoUsd === undefined ? '' : ' with the judge';
  const totals = [
    tokens,
    `${formatUsd(toUsd(summary.totalCostNanoUsd))}${judged}`,
    formatSeconds(summary.totalMs),
    requestId,
  ];
  return [
    `## Summary\n\n${summary.succeeded} of ${summary.succeeded + summary.failed} answered.`,
    best.length === 0 ? '' : `${best.join(', ')}.`,
    `[${totals.join(' · ')}]`,
  ]
    .filter((line) => line !== '')
    .join('\n');
}

function formatJudgement({ judgement }: ComparisonResult): string {
  if (judgement === undefined) return '';
  const heading = `## Judgement by ${judgement.judge}`;
  if (judgement.error !== undefined) return `${heading}\n\n${formatError(judgement.error, judgement.requestId)}`;
  const ranking = judgement.ranking.map(({ model, score, reason }, index) => {
    const points = score === undefined ? '' : ` (${score})`;
    return `${index + 1}. ${model}${points}${reason === undefined ? '' : `: ${reason}`}`;
  });
  return [heading, '', judgement.winner === undefined ? 'No winner.' : `Best: ${judgement.winner}.`, ...ranking].join(
    '\n',
  );
}
