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

/**
 * Counts and prices a call that ended, well or not, by the model and the service tier that answered. What broke is counted
 * as far as the vendor counted it; what it had written since is estimated, and marked so.
 */
export function accountForCall(
  { provider, request }: Pick<GeneratePayload, 'provider' | 'request'>,
  startedAt: number,
  report: CallReport,
  { catalog, tokens }: { catalog: Catalog; tokens: TokenEstimator },
): AccountedCall {
  const usage = report.error === undefined ? (report.usage ?? {}) : toBrokenUsage();
  const { error, answeredBy, serviceTier } = report;
  const { costNanoUsd, priceVersion, warning } = catalog.priceCall({
    provider,
    model: request.model,
    answeredBy,
    usage,
    at: startedAt,
    cachedForAnHour: request.settings.promptCache === '1h',
    serviceTier,
  });
  const hasCounts = usage.inputTokens !== undefined || usage.outputTokens !== undefined;
  // On the user's own machine it costs nothing, whatever became of it.
  if (error !== undefined && !hasCounts && costNanoUsd !== 0) {
    return { ...report, usage, costNanoUsd: mayBeBilled.has(error.code) ? null : 0 };
  }
  const warnings = warning === undefined ? report.warnings : [...report.warnings, warning];
  return { ...report, warnings, usage, costNanoUsd, priceVersion };

  /** A broken call is billed for what was read and written; where its last counts never came, better a marked guess than none. */
  function toBrokenUsage(): Usage {
    const { usage: counted = {}, isCounted } = report;
    if (isCounted) return counted;
    const kind = catalog.findProvider(provider)?.kind ?? provider;
    const calls = report.toolCalls.map(({ name, arguments: given }) => name + JSON.stringify(given));
    const written = tokens.estimateText([report.text, report.reasoning, ...calls].join('\n').trim(), kind);
    return {
      ...counted,
      inputTokens: counted.inputTokens ?? tokens.estimate(request, kind),
      outputTokens: Math.max(counted.outputTokens ?? 0, written),
      estimated: true,
    };
  }
}
