import type { ErrorBody } from './error-body.ts';

/**
 * How long the vendor asks us to wait, in milliseconds: `retry-after-ms`, else `retry-after` (seconds or an HTTP
 * date), else google's RetryInfo, else the reset of a limit that is used up. Absent where it does not say.
 */
export function findRetryAfterMs(
  headers: Record<string, string>,
  body: ErrorBody | undefined,
  now: number = Date.now(),
): number | undefined {
  const found =
    numberOf(headers['retry-after-ms']) ??
    parseRetryAfter(headers['retry-after'], now) ??
    findRetryInfo(body) ??
    findReset(headers, now);
  return found === undefined ? undefined : Math.max(0, Math.round(found));
}

function numberOf(text: string | undefined): number | undefined {
  if (text === undefined || text.trim() === '') return undefined;
  const value = Number(text);
  return Number.isFinite(value) ? value : undefined;
}

function parseRetryAfter(text: string | undefined, now: number): number | undefined {
  if (text === undefined) return undefined;
  const seconds = numberOf(text);
  if (seconds !== undefined) return seconds * 1000;
  const date = Date.parse(text);
  return Number.isNaN(date) ? undefined : date - now;
}

function findRetryInfo(body: ErrorBody | undefined): number | undefined {
  const info = body?.details.find((detail) => String(detail['@type']).endsWith('google.rpc.RetryInfo'));
  return typeof info?.['retryDelay'] === 'string' ? parseDuration(info['retryDelay']) : undefined;
}

/** The longest reset among the limits of which nothing remains. */
function findReset(headers: Record<string, string>, now: number): number | undefined {
  const waits = Object.entries(headers)
    .filter(([name]) => /^(x-ratelimit-reset-|anthropic-ratelimit-.+-reset$)/.test(name))
    .filter(([name]) => headers[name.replace('reset', 'remaining')] === '0')
    .map(([, value]) => parseReset(value, now))
    .filter((wait) => wait !== undefined);
  return waits.length === 0 ? undefined : Math.max(...waits);
}

/** A duration (`6m0s`), a date, epoch milliseconds, or seconds: how many milliseconds from `now`. */
export function parseReset(value: string, now: number): number | undefined {
  const number = numberOf(value);
  if (number !== undefined) return number > 1e12 ? number - now : number * 1000;
  const duration = parseDuration(value);
  if (duration !== undefined) return duration;
  const date = Date.parse(value);
  return Number.isNaN(date) ? undefined : date - now;
}

const unitMs: Record<string, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 };

/** Durations as Go writes them: `120ms`, `17.5s`, `1h2m3s`. */
function parseDuration(text: string): number | undefined {
  if (!/^([\d.]+(ms|s|m|h|d))+$/.test(text)) return undefined;
  return [...text.matchAll(/([\d.]+)(ms|s|m|h|d)/g)].reduce(
    (sum, [, amount, unit]) => sum + Number(amount) * (unitMs[unit ?? ''] ?? 0),
    0,
  );
}
