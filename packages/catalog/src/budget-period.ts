import type { BudgetConfig } from './budgets.ts';

export interface BudgetPeriod {
  /** `2026-11-22` or `2026-11`. */
  key: string;
  /** Epoch milliseconds; a period ends where the next begins. */
  startsAt: number;
  renewsAt: number;
}

const dayMs = 86_400_000;

/** The day or month of a budget in which `at` (epoch milliseconds) lies. */
export function toBudgetPeriod(
  { period, timeZone }: Pick<BudgetConfig, 'period' | 'timeZone'>,
  at: number,
): BudgetPeriod {
  const [year = 0, month = 0, day = 0] = toLocalDate(timeZone, at);
  const name = `${year}-${pad(month)}`;
  return period === 'day'
    ? {
        key: `${name}-${pad(day)}`,
        startsAt: toMidnight(timeZone, year, month, day),
        renewsAt: toMidnight(timeZone, year, month, day + 1),
      }
    : {
        key: name,
        startsAt: toMidnight(timeZone, year, month, 1),
        renewsAt: toMidnight(timeZone, year, month + 1, 1),
      };
}

/** Year, month (1 to 12), day, hour, minute, second as the clocks of the zone show them. */
function toLocalDate(timeZone: string, at: number): number[] {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone,
    calendar: 'gregory',
    numberingSystem: 'latn',
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const parts = new Map(format.formatToParts(at).map(({ type, value }) => [type, Number(value)]));
  return (['year', 'month', 'day', 'hour', 'minute', 'second'] as const).map((type) => parts.get(type) ?? 0);
}

/** The first moment of the day. In the night in which clocks change midnight may come twice, or not at all. */
function toMidnight(timeZone: string, year: number, month: number, day: number): number {
  const wanted = Date.UTC(year, month - 1, day);
  const byOffset = [wanted - dayMs, wanted + dayMs].map((near) => wanted - offsetAt(timeZone, near));
  const [first, second] = [Math.min(...byOffset), Math.max(...byOffset)];
  return first + offsetAt(timeZone, first) >= wanted ? first : second;
}

/** By how many milliseconds the zone's clocks are ahead of UTC. */
function offsetAt(timeZone: string, at: number): number {
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = toLocalDate(timeZone, at);
  return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(at / 1_000) * 1_000;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}
