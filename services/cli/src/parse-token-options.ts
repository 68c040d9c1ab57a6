import { AccessScope, type ClientBudget, ClientName } from '@aimm/contracts';
import { InvalidArgumentError } from 'commander';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const unitsMs: Record<string, number> = { h: hourMs, d: dayMs, w: 7 * dayMs, y: 365 * dayMs };
/** Above it, sums of nano-dollars would come near the end of exact numbers. */
const maxUsd = 1_000_000;

export function parseClientName(value: string): string {
  const name = ClientName.safeParse(value.trim());
  if (!name.success) throw new InvalidArgumentError(name.error.issues[0]?.message ?? 'is no name');
  return name.data;
}

/** `generate,read` → both; no blanks or commas are asked for. */
export function parseScopes(value: string): AccessScope[] {
  const scopes = AccessScope.array()
    .min(1)
    .safeParse(
      value
        .toLowerCase()
        .split(/[\s,]+/)
        .filter((word) => word !== ''),
    );
  if (!scopes.success) throw new InvalidArgumentError(`expected one or more of ${AccessScope.options.join(', ')}`);
  return [...new Set(scopes.data)];
}

/** `$5/day`, `20/month`, `2.50 USD per day`; may be given once for each period. */
export function parseBudget(
  value: string,
  earlier: readonly Omit<ClientBudget, 'timeZone'>[] = [],
): Omit<ClientBudget, 'timeZone'>[] {
  const form = /^\$?\s*(\d+(?:\.\d+)?)\s*(?:\$|usd|dollars?)?\s*(?:\/|per|an?)\s*(day|d|month|mo)$/i;
  const [, amount = '', unit = ''] = form.exec(value.trim()) ?? [];
  const usd = Number(amount);
  if (amount === '' || !(usd > 0 && usd <= maxUsd)) {
    throw new InvalidArgumentError(`expected US dollars by day or month, like 5/day or '$20/month', at most ${maxUsd}`);
  }
  const period = unit.toLowerCase().startsWith('d') ? 'day' : 'month';
  if (earlier.some((budget) => budget.period === period))
    throw new InvalidArgumentError(`expected one budget a ${period}`);
  return [...earlier, { period, limitNanoUsd: Math.max(1, Math.round(usd * 1e9)) }];
}

/** `90d`, `12h`, `2w`, `1y` from now on, or a day (`2027-01-31`, its first moment in UTC) or time → epoch milliseconds; `never` → undefined. */
export function parseExpiry(value: string, now = Date.now()): number | undefined {
  const text = value.trim().toLowerCase();
  if (text === 'never') return undefined;
  const [, count = '', unit = ''] = /^(\d{1,4}) ?(h|d|w|y)(?:ours?|ays?|eeks?|ears?)?$/.exec(text) ?? [];
  const isDate = /^\d{4}-\d\d-\d\d(t\d\d:\d\d(:\d\d)?(z|[+-]\d\d:\d\d))?$/.test(text);
  const at =
    count === '' ? (isDate ? Date.parse(value.trim()) : Number.NaN) : now + Number(count) * (unitsMs[unit] ?? 0);
  if (!Number.isFinite(at))
    throw new InvalidArgumentError('expected 12h, 90d, 2w, 1y, a day like 2027-01-31, or never');
  if (at <= now) throw new InvalidArgumentError('expected a time to come');
  return at;
}
