import { describe, expect, it } from 'vitest';
import { listDays, parseTime, toStartOfDay, toStartOfMonth } from '../src/calendar.ts';

const hourMs = 3_600_000;
const at = (iso: string) => Date.parse(iso);

const odd = [
  'Africa/Cairo',
  'Africa/Casablanca',
  'America/Havana',
  'America/St_Johns',
  'Antarctica/Troll',
  'Asia/Beirut',
  'Asia/Kathmandu',
  'Australia/Eucla',
  'Australia/Lord_Howe',
  'Pacific/Chatham',
];

describe('a day of a time zone', () => {
  it('begins at its own midnight, also where clocks are ahead by quarters of an hour', () => {
    expect(toStartOfDay(at('2026-11-22T20:00:00Z'), 'UTC')).toBe(at('2026-11-22T00:00:00Z'));
    expect(toStartOfDay(at('2026-11-22T20:00:00Z'), 'Asia/Kathmandu')).toBe(at('2026-11-22T18:15:00Z'));
    expect(toStartOfDay(at('2026-11-22T20:00:00Z'), 'Asia/Kolkata')).toBe(at('2026-11-22T18:30:00Z'));
    expect(toStartOfMonth(at('2026-11-22T20:00:00Z'), 'Europe/Berlin')).toBe(at('2026-10-31T23:00:00Z'));
  });

  it('has 23 or 25 hours when clocks change', () => {
    const hours = (from: string, to: string, timeZone: string) =>
      listDays({ from: at(from), to: at(to), timeZone }).map(({ date, startsAt, endsAt }) => [
        date,
        (endsAt - startsAt) / hourMs,
      ]);
    expect(hours('2026-03-27T23:00:00Z', '2026-03-30T22:00:00Z', 'Europe/Berlin')).toEqual([
      ['2026-03-28', 24],
      ['2026-03-29', 23],
      ['2026-03-30', 24],
    ]);
    expect(hours('2026-10-24T22:00:00Z', '2026-10-25T23:00:00Z', 'Europe/Berlin')).toEqual([['2026-10-25', 25]]);
  });

  it('begins with its first instant where midnight comes twice, or never', () => {
    expect(toStartOfDay(at('2026-11-01T12:00:00Z'), 'America/Havana')).toBe(at('2026-11-01T04:00:00Z'));
    expect(toStartOfDay(at('2026-03-08T12:00:00Z'), 'America/Havana')).toBe(at('2026-03-08T05:00:00Z'));
  });

  it('follows the day before without a gap, and begins with a quarter of an hour, in the oddest zones', () => {
    for (const timeZone of odd) {
      const days = listDays({ from: at('2026-01-01T00:00:00Z'), to: at('2027-01-01T00:00:00Z'), timeZone });
      for (const [index, { startsAt, endsAt }] of days.entries()) {
        expect(endsAt).toBe(days[index + 1]?.startsAt ?? endsAt);
        // Reports rest on it: roll-ups are that fine.
        expect([timeZone, startsAt % (15 * 60_000)]).toEqual([timeZone, 0]);
      }
    }
  });
});

describe('a time in words', () => {
  it('is of the zone where it does not say otherwise', () => {
    expect(parseTime('2026-11-22', 'Europe/Berlin')).toBe(at('2026-11-21T23:00:00Z'));
    expect(parseTime('2026-11-22T08:00:00', 'Asia/Kathmandu')).toBe(at('2026-11-22T02:15:00Z'));
    expect(parseTime('2026-11-22T08:00', 'UTC')).toBe(at('2026-11-22T08:00:00Z'));
    expect(parseTime('2026-11-22T08:00:00Z', 'Europe/Berlin')).toBe(at('2026-11-22T08:00:00Z'));
    expect(parseTime('2026-11-22T08:00:00.5+02:00', 'UTC')).toBe(at('2026-11-22T06:00:00.5Z'));
  });
});
