import * as z from 'zod';
import { ErrorShape } from './errors.ts';
import { GenerationResult } from './generation.ts';

/** How many models one comparison asks. */
export const comparedModels = { least: 2, most: 10 } as const;

/** One model of a comparison: its generation's id and what became of it. */
export const ComparisonEntry = z.object({
  requestId: z.string(),
  provider: z.string(),
  model: z.string(),
  result: GenerationResult.optional(),
  error: ErrorShape.optional(),
});
export type ComparisonEntry = z.infer<typeof ComparisonEntry>;

/** `provider/model` of the entry that stands out, absent where none qualifies. Totals in integer units, with the judge's, but for the time. */
export const ComparisonSummary = z.object({
  succeeded: z.number().int(),
  failed: z.number().int(),
  fastest: z.string().optional(),
  cheapest: z.string().optional(),
  longest: z.string().optional(),
  totalCostNanoUsd: z.number().int().nullable(),
  totalInputTokens: z.number().int(),
  totalOutputTokens: z.number().int(),
  totalMs: z.number(),
});
export type ComparisonSummary = z.infer<typeof ComparisonSummary>;

export const Judgement = z.object({
  judge: z.string(),
  /** The generation that judged. */
  requestId: z.string(),
  /** `provider/model` of the best answer; absent where the judge saw a tie or failed. */
  winner: z.string().optional(),
  /** One entry per judged answer, best first. */
  ranking: z.array(z.object({ model: z.string(), score: z.number().optional(), reason: z.string().optional() })),
  error: ErrorShape.optional(),
  /** What judging took; null: its price is unknown. */
  costNanoUsd: z.number().int().nullable().optional(),
  inputTokens: z.number().int().optional(),
  outputTokens: z.number().int().optional(),
});
export type Judgement = z.infer<typeof Judgement>;

export const ComparisonResult = z.object({
  requestId: z.string(),
  /** In the order asked. */
  entries: z.array(ComparisonEntry),
  summary: ComparisonSummary,
  judgement: Judgement.optional(),
});
export type ComparisonResult = z.infer<typeof ComparisonResult>;
