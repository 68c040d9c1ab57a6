import type { CallRecord, ErrorCode, ErrorShape, GeneratePayload, LedgerRow, Outcome, Warning } from '@aimm/contracts';
import { withBudgetCosts } from './budgets.ts';
import { modelOf } from './names.ts';

type Fallback = NonNullable<GeneratePayload['fallbacks']>[number];

/** What another model cannot mend, or nobody wants mended. */
const final: ReadonlySet<ErrorCode> = new Set([
  'cancelled',
  'invalid_request',
  'budget_exceeded',
  'outcome_unknown',
  'internal',
]);

const beforeAnyDeadline = Number.NEGATIVE_INFINITY;

export interface HopOptions {
  /** Whether a model is set aside: it is passed over while another is left. */
  isAside?: ((provider: string, model: string) => boolean) | undefined;
  /** `provider/model` that was chosen before, so that the hop is the same when it is made again. */
  to?: string | undefined;
}

/**
 * The same request at its next fallback: a job of its own in that provider's queue, under the same request id.
 * Undefined where there is none, or where another model would not help. `calls` were made by this hop.
 */
export function toNextHop(
  payload: GeneratePayload,
  error: ErrorShape,
  calls: number,
  now: number,
  { isAside = () => false, to }: HopOptions = {},
): GeneratePayload | undefined {
  if (final.has(error.code) || now >= payload.deadlineAt) return undefined;
  const fallbacks = (payload.fallbacks ?? []).filter((fallback) => helps(fallback, payload, error));
  const isFree = ({ provider, model }: Fallback) => !isAside(provider, model);
  const next =
    to === undefined ? (fallbacks.find(isFree) ?? fallbacks[0]) : fallbacks.find((one) => nameOf(one) === to);
  if (next === undefined) return undefined;
  const passedOver = fallbacks.slice(0, fallbacks.indexOf(next));
  const { startBy: _startBy, cache: _cache, contextWindow: _window, pool, ...kept } = payload;
  const asked = modelOf(payload);
  return {
    ...kept,
    provider: next.provider,
    request: { ...payload.request, model: next.model },
    attempts: next.attempts,
    timeoutMs: next.timeoutMs,
    ...(next.contextWindow !== undefined && { contextWindow: next.contextWindow }),
    ...(next.equal === true && pool !== undefined && { pool }),
    // What was passed over may be back by the time that this one fails, too.
    fallbacks: [...fallbacks.slice(fallbacks.indexOf(next) + 1), ...passedOver],
    fallbackFrom: payload.fallbackFrom ?? asked,
    hop: (payload.hop ?? 0) + 1,
    callsBefore: (payload.callsBefore ?? 0) + calls,
    warnings: [...payload.warnings, ...next.warnings, toWarning(asked, error, passedOver, nameOf(next))],
  };
}

/**
 * The same request at another member of its pool, before anybody was called: a job of its own there, with everything else
 * as it was, and the member that it leaves among the equal ones. Undefined where `to` is not one of those.
 */
export function toPoolMove(payload: GeneratePayload, to: string): GeneratePayload | undefined {
  const next = payload.fallbacks?.find((fallback) => fallback.equal === true && nameOf(fallback) === to);
  if (next === undefined) return undefined;
  const { contextWindow, provider, timeoutMs, attempts, ...kept } = payload;
  const { model } = payload.request;
  const left: Fallback = { provider, model, timeoutMs, attempts, warnings: [], equal: true };
  return {
    ...kept,
    provider: next.provider,
    request: { ...payload.request, model: next.model },
    timeoutMs: next.timeoutMs,
    attempts: next.attempts,
    ...(next.contextWindow !== undefined && { contextWindow: next.contextWindow }),
    fallbacks: (payload.fallbacks ?? []).map((fallback) =>
      fallback === next ? { ...left, ...(contextWindow !== undefined && { contextWindow }) } : fallback,
    ),
    hop: (payload.hop ?? 0) + 1,
    warnings: [...payload.warnings, ...next.warnings],
  };
}

/**
 * The job that a request goes on as, by what its last one left behind: the same one however often and however late it is made;
 * where the deadline has passed by then, that job says so and ends the request. Undefined where the request ended with this one.
 */
export function toSuccessor(
  payload: GeneratePayload,
  { error, continues, next, moved }: Extract<Outcome, { status: 'failed' }>,
  { calls, rows }: { calls: readonly Pick<CallRecord, 'state'>[]; rows: readonly LedgerRow[] },
): GeneratePayload | undefined {
  if (continues !== true) return undefined;
  if (moved === true) return toPoolMove(payload, next ?? '');
  const hop = toNextHop(withBudgetCosts(payload, rows), error, calls.length, beforeAnyDeadline, { to: next });
  return hop && { ...hop, warnings: withCutOff(hop.warnings, calls) };
}

/** The same with a word on a call that a crash cut off, where there was one and nothing is said of it yet. */
export function withCutOff(warnings: readonly Warning[], calls: readonly Pick<CallRecord, 'state'>[]): Warning[] {
  const isCutOff = calls.some(({ state }) => state === 'outcome_unknown');
  if (!isCutOff || warnings.some(({ code }) => code === 'repeated_call')) return [...warnings];
  const message = 'An earlier call for this request was cut off by a crash; it may have been billed as well.';
  return [...warnings, { code: 'repeated_call', message }];
}

/** Whether a fallback that is not set aside could have the request now. */
export function hasFreeHop(
  payload: GeneratePayload,
  error: ErrorShape,
  now: number,
  isAside: HopOptions['isAside'],
): boolean {
  const next = toNextHop(payload, error, 0, now, { isAside });
  return next !== undefined && isAside?.(next.provider, next.request.model) !== true;
}

/** A prompt too long for one model needs a larger one; what one would not say is asked of another only where somebody said so. */
function helps({ contextWindow }: Fallback, payload: GeneratePayload, { code }: ErrorShape): boolean {
  if (code === 'content_filtered') return payload.fallBackOnFilter === true;
  if (code !== 'context_length_exceeded') return true;
  return contextWindow === undefined || payload.contextWindow === undefined || contextWindow > payload.contextWindow;
}

/** One line per hop: what happened, and who was asked. */
function toWarning(asked: string, error: ErrorShape, passedOver: readonly Fallback[], next: string): Warning {
  const what =
    error.code === 'unavailable'
      ? `${asked} was not asked: ${error.message}`
      : `${asked} failed (${error.code}: ${error.message});`;
  const aside = passedOver.length === 0 ? '' : ` (${passedOver.map(nameOf).join(', ')} set aside, too)`;
  return { code: 'other', message: `${what} ${next} was asked instead${aside}.` };
}

function nameOf({ provider, model }: Fallback): string {
  return `${provider}/${model}`;
}
