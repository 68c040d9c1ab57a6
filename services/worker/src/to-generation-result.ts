import type { GeneratePayload, GenerationResult, Warning } from '@aimm/contracts';
import type { CallReport } from './make-call.ts';

interface Facts {
  costNanoUsd: number | null;
  calls: number;
  firstStartedAt: number;
  warnings: Warning[];
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
      queueMs: Math.max(0, facts.firstStartedAt - payload.enqueuedAt),
      ...(report.firstTokenMs !== undefined && { firstTokenMs: report.firstTokenMs }),
      providerMs: report.providerMs,
      totalMs: Math.max(0, Date.now() - payload.enqueuedAt),
    },
    calls: facts.calls,
    cached: false,
    warnings: [...payload.warnings, ...report.warnings, ...facts.warnings],
    ...(payload.fallbackFrom !== undefined && { fallbackFrom: payload.fallbackFrom }),
  };
}

/** The parsed answer; absent where it is no JSON: the text is there for whoever wants to look. */
function parseJson(text: string): GenerationResult['structured'] {
  try {
    return JSON.parse(text) as GenerationResult['structured'];
  } catch {
    return undefined;
  }
}
