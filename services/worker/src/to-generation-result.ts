import type { CallRecord, GeneratePayload, GenerateReceipt, GenerationResult, Warning } from '@aimm/contracts';
import type { CallReport } from './make-call.ts';

interface Facts {
  costNanoUsd: number | null;
  /** All calls of this job, the one that answered last. */
  calls: readonly CallRecord[];
  demo: boolean;
}

/** Puts a finished call and what is known of its job into the result that clients get. */
export function toGenerationResult(payload: GeneratePayload, report: CallReport, facts: Facts): GenerationResult {
  const structured =
    payload.request.settings.responseFormat?.type === 'json_schema' ? parseJson(report.text) : undefined;
  return {
    requestId: payload.requestId,
    provider: payload.provider,
    model: payload.request.model,
    ...(report.answeredBy !== undefined && { answeredBy: report.answeredBy }),
    text: report.text,
    ...(report.reasoning !== '' && { reasoning: report.reasoning }),
    ...(report.toolCalls.length > 0 && { toolCalls: report.toolCalls }),
    ...(structured !== undefined && { structured }),
    finishReason: report.finishReason ?? { unified: 'other' },
    usage: report.usage ?? {},
    costNanoUsd: facts.costNanoUsd,
    latency: {
      queueMs: Math.max(0, (facts.calls[0]?.startedAt ?? Date.now()) - payload.enqueuedAt),
      ...(report.firstTokenMs !== undefined && { firstTokenMs: report.firstTokenMs }),
      providerMs: report.providerMs,
      totalMs: Math.max(0, Date.now() - payload.enqueuedAt),
    },
    calls: (payload.callsBefore ?? 0) + facts.calls.length,
    cached: false,
    warnings: [...payload.warnings, ...report.warnings, ...toOwnWarnings(facts)],
    ...(payload.fallbackFrom !== undefined && { fallbackFrom: payload.fallbackFrom }),
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

function toOwnWarnings({ demo, calls }: Facts): Warning[] {
  const warnings: Warning[] = [];
  if (demo) {
    warnings.push({
      code: 'demo',
      message: 'Demo: a local stand-in answered; no vendor was asked and nothing was billed.',
    });
  }
  if (calls.some(({ state }) => state === 'outcome_unknown')) {
    warnings.push({
      code: 'repeated_call',
      message: 'An earlier call for this request was cut off by a crash; it may have been billed as well.',
    });
  }
  return warnings;
}

/** The parsed answer; absent where it is no JSON: the text is there for whoever wants to look. */
function parseJson(text: string): GenerationResult['structured'] {
  try {
    return JSON.parse(text) as GenerationResult['structured'];
  } catch {
    return undefined;
  }
}
