import type {
  CallRecord,
  GeneratePayload,
  GenerateReceipt,
  GenerationRequest,
  GenerationResult,
  LedgerRow,
  Usage,
  Warning,
} from '@aimm/contracts';
import { withCutOff } from '@aimm/queue';
import type { AccountedCall } from './account-for-call.ts';

interface Facts {
  /** Epoch milliseconds by the clock of the request's own times. */
  now: number;
  /** All calls of this job, the one that answered last, and their ledger rows. */
  calls: readonly CallRecord[];
  rows: readonly LedgerRow[];
  /** The parsed answer, where JSON was asked for. */
  structured?: GenerationResult['structured'];
  demo: boolean;
}

/** Puts a finished call and what is known of its job into the result that clients get. */
export function toGenerationResult(payload: GeneratePayload, report: AccountedCall, facts: Facts): GenerationResult {
  const { structured } = facts;
  // More than one where the first answer had to be mended: both were wanted, and both are paid for.
  const answers = facts.rows.filter(({ status }) => status === 'succeeded');
  return {
    requestId: payload.requestId,
    provider: payload.provider,
    model: payload.request.model,
    ...(report.answeredBy !== undefined && { answeredBy: report.answeredBy }),
    ...(report.serviceTier !== undefined && { serviceTier: report.serviceTier }),
    text: report.text,
    ...(report.reasoning !== '' && { reasoning: report.reasoning }),
    ...(report.toolCalls.length > 0 && { toolCalls: report.toolCalls }),
    ...(structured !== undefined && { structured }),
    finishReason: report.finishReason ?? { unified: 'other' },
    usage: addUsage(report.usage, answers.slice(0, -1)),
    costNanoUsd: addCosts(answers),
    latency: {
      queueMs: Math.max(0, (facts.calls[0]?.startedAt ?? facts.now) - payload.enqueuedAt),
      ...(report.firstTokenMs !== undefined && { firstTokenMs: report.firstTokenMs }),
      providerMs: report.providerMs,
      totalMs: Math.max(0, facts.now - payload.enqueuedAt),
    },
    calls: (payload.callsBefore ?? 0) + facts.calls.length,
    cached: false,
    warnings: withCutOff(
      [...payload.warnings, ...report.warnings, ...toOwnWarnings(payload.request, report, facts)],
      facts.calls,
    ),
    ...(payload.fallbackFrom !== undefined && { fallbackFrom: payload.fallbackFrom }),
    ...(payload.alias !== undefined && { alias: payload.alias }),
  };
}

/** The small return value of the job, for Bull Board. */
export function toGenerationReceipt(result: GenerationResult): GenerateReceipt {
  return {
    requestId: result.requestId,
    model: `${result.provider}/${result.model}`,
    finishReason: result.finishReason.unified,
    usage: result.usage,
    costNanoUsd: result.costNanoUsd,
    calls: result.calls,
  };
}

/** What is said of every demo answer, and of one that is not in the form asked for. `structured`: the parsed answer. */
export function toDemoWarnings(
  { settings: { responseFormat } }: GenerationRequest,
  { toolCalls, structured }: Pick<GenerationResult, 'toolCalls' | 'structured'>,
): Warning[] {
  const wantsForm = responseFormat !== undefined && responseFormat.type !== 'text' && !toolCalls?.length;
  return [
    { code: 'demo', message: 'Demo: a local stand-in answered; no vendor was asked and nothing was billed.' },
    ...(wantsForm && structured === undefined
      ? [
          {
            code: 'demo' as const,
            message: 'Demo: the stand-in does not answer in the form that response_format asks for.',
          },
        ]
      : []),
  ];
}

function toOwnWarnings(request: GenerationRequest, { toolCalls }: AccountedCall, facts: Facts): Warning[] {
  const { demo, rows, structured } = facts;
  const warnings: Warning[] = [];
  if (rows.filter(({ status }) => status === 'succeeded').length > 1) {
    warnings.push({
      code: 'other',
      message:
        'The first answer was not in the form asked for and a second call mended it; tokens and cost are of both.',
    });
  }
  return demo ? [...warnings, ...toDemoWarnings(request, { toolCalls, structured })] : warnings;
}

/** A count that one of them lacks is known for the other only; so is the sum. */
export function addUsage(usage: Usage, earlier: readonly LedgerRow[]): Usage {
  if (earlier.length === 0) return usage;
  const names = ['inputTokens', 'outputTokens', 'cacheReadTokens', 'cacheWriteTokens', 'reasoningTokens'] as const;
  const sums = names.flatMap((name) => {
    const known = [usage, ...earlier].flatMap((counts) => counts[name] ?? []);
    return known.length === 0 ? [] : [[name, known.reduce((sum, count) => sum + count, 0)] as const];
  });
  const added: Usage = Object.fromEntries(sums);
  const { inputTokens, outputTokens } = added;
  return {
    ...added,
    ...(inputTokens !== undefined && outputTokens !== undefined && { totalTokens: inputTokens + outputTokens }),
    ...([usage, ...earlier].some(({ estimated }) => estimated === true) && { estimated: true }),
  };
}

function addCosts(rows: readonly LedgerRow[]): number | null {
  return rows.reduce<number | null>(
    (sum, { costNanoUsd }) => (sum === null || costNanoUsd === null ? null : sum + costNanoUsd),
    0,
  );
}
