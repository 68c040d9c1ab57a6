import type { Catalog, TokenEstimator } from '@aimm/catalog';
import type { ErrorCode, GeneratePayload, Usage } from '@aimm/contracts';
import type { CallReport } from './make-call.ts';

/** A call with what it used and cost, as far as anybody can know. */
export interface AccountedCall extends CallReport {
  usage: Usage;
  /** Integer nano-dollars; null when unknown. */
  costNanoUsd: number | null;
  priceVersion?: string;
}

/** Ends after which a vendor may have worked and billed although no count arrived: their cost is unknown, not nothing. */
const mayBeBilled: ReadonlySet<ErrorCode> = new Set(['cancelled', 'timeout', 'network', 'server_error']);

/** Ends of our own making: until then the vendor worked on. */
const endedByUs: ReadonlySet<ErrorCode> = new Set(['cancelled', 'timeout']);

/**
 * Counts and prices a call that ended, well or not, by the model and the service tier that answered. What broke is counted
 * as far as the vendor counted it; what it had written since is estimated, and marked so. Where we ended it before a word was
 * written or counted, a model that reasons may have done so until then, and the cost is unknown.
 */
export function accountForCall(
  { provider, request }: Pick<GeneratePayload, 'provider' | 'request'>,
  startedAt: number,
  report: CallReport,
  { catalog, tokens }: { catalog: Catalog; tokens: TokenEstimator },
): AccountedCall {
  const { error, answeredBy, serviceTier } = report;
  const usage = error === undefined ? (report.usage ?? {}) : toBrokenUsage(error.code);
  const { costNanoUsd, priceVersion, warning } = catalog.priceCall({
    provider,
    model: request.model,
    answeredBy,
    usage,
    at: startedAt,
    cachedForAnHour: request.settings.promptCache === '1h',
    serviceTier,
  });
  // On the user's own machine it costs nothing, whatever became of it.
  if (error !== undefined && costNanoUsd !== 0) {
    const hasCounts = usage.inputTokens !== undefined || usage.outputTokens !== undefined;
    if (!hasCounts) return { ...report, usage, costNanoUsd: mayBeBilled.has(error.code) ? null : 0 };
    if (usage.outputTokens === undefined && mayHaveReasoned(error.code)) return { ...report, usage, costNanoUsd: null };
  }
  const warnings = warning === undefined ? report.warnings : [...report.warnings, warning];
  return { ...report, warnings, usage, costNanoUsd, priceVersion };

  function mayHaveReasoned(code: ErrorCode): boolean {
    const { capabilities } = catalog.findModel(provider, request.model) ?? {};
    return endedByUs.has(code) && capabilities?.includes('reasoning') !== false;
  }

  /** A broken call is billed for what was read and written; where its last counts never came, better a marked guess than none. */
  function toBrokenUsage(code: ErrorCode): Usage {
    const { usage: counted = {}, isCounted } = report;
    if (isCounted && counted.outputTokens !== undefined) return counted;
    const calls = report.toolCalls.map(({ name, arguments: given }) => name + JSON.stringify(given));
    const written = [report.text, report.reasoning, ...calls].join('\n').trim();
    if (written === '' && counted.outputTokens === undefined) {
      const isLeast = counted.inputTokens !== undefined && mayBeBilled.has(code) && !mayHaveReasoned(code);
      return isLeast ? { ...counted, estimated: true } : counted;
    }
    const kind = catalog.findProvider(provider)?.kind ?? provider;
    return {
      ...counted,
      inputTokens: counted.inputTokens ?? tokens.estimate(request, kind),
      outputTokens: Math.max(counted.outputTokens ?? 0, tokens.estimateText(written, kind)),
      estimated: true,
    };
  }
}
