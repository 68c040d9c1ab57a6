import { Temporal } from 'temporal-polyfill';

/** A day as the calendar of a time zone has it. Epoch milliseconds; 23 or 25 hours long where clocks change. */
export interface LocalDay {
  /** `2026-11-22`. */
  date: string;
  startsAt: number;
  endsAt: number;
}

/** When the day began in which `at` lies: its first instant, where midnight comes twice or not at all. */
export function toStartOfDay(at: number, timeZone: string): number {
  return toZoned(at, timeZone).startOfDay().epochMilliseconds;
}

export function toStartOfMonth(at: number, timeZone: string): number {
  return toZoned(at, timeZone).with({ day: 1 }).startOfDay().epochMilliseconds;
}

/** The days of the zone that the span touches, in order. */
export function listDays({ from, to, timeZone }: { from: number; to: number; timeZone: string }): LocalDay[] {
  const days: LocalDay[] = [];
  for (let start = toZoned(from, timeZone).startOfDay(); start.epochMilliseconds < to;) {
    const next = start.add({ days: 1 }).startOfDay();
    days.push({
      date: start.toPlainDate().toString(),
      startsAt: start.epochMilliseconds,
      endsAt: next.epochMilliseconds,
    });
    start = next;
  }
  return days;
}

/** An ISO 8601 date or time in epoch milliseconds; without an offset it is the zone's. @throws RangeError */
export function parseTime(text: string, timeZone: string): number {
  if (!text.includes('T')) return Temporal.PlainDate.from(text).toZonedDateTime(timeZone).epochMilliseconds;
  const hasOffset = /(Z|[+-]\d{2}:?\d{2})$/i.test(text);
  if (hasOffset) return Temporal.Instant.from(text).epochMilliseconds;
  return Temporal.PlainDateTime.from(text).toZonedDateTime(timeZone).epochMilliseconds;
}

function toZoned(at: number, timeZone: string): Temporal.ZonedDateTime {
  return Temporal.Instant.fromEpochMilliseconds(Math.floor(at)).toZonedDateTimeISO(timeZone);
}
