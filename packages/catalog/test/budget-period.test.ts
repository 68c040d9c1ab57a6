import { describe, expect, it } from 'vitest';
import { toBudgetPeriod } from '../src/budget-period.ts';

const iso = (at: number) => new Date(at).toISOString();
const show = (period: 'day' | 'month', timeZone: string, at: string) => {
  const { key, startsAt, renewsAt } = toBudgetPeriod({ period, timeZone }, Date.parse(at));
  return [key, iso(startsAt), iso(renewsAt)];
};

describe('the period of a budget', () => {
  it.each([
    ['day', 'UTC', '2026-11-22T23:59:59.999Z', ['2026-11-22', '2026-11-22T00:00:00.000Z', '2026-11-23T00:00:00.000Z']],
    ['day', 'UTC', '2026-11-23T00:00:00.000Z', ['2026-11-23', '2026-11-23T00:00:00.000Z', '2026-11-24T00:00:00.000Z']],
    ['month', 'UTC', '2026-12-31T12:00:00.000Z', ['2026-12', '2026-12-01T00:00:00.000Z', '2027-01-01T00:00:00.000Z']],
    // An hour ahead of UTC.
    [
      'day',
      'Europe/Berlin',
      '2026-11-22T23:30:00.000Z',
      ['2026-11-23', '2026-11-22T23:00:00.000Z', '2026-11-23T23:00:00.000Z'],
    ],
    // A day of 25 hours, and a month that begins in summer time and ends in winter time.
    [
      'day',
      'Europe/Berlin',
      '2026-10-25T12:00:00.000Z',
      ['2026-10-25', '2026-10-24T22:00:00.000Z', '2026-10-25T23:00:00.000Z'],
    ],
    [
      'month',
      'Europe/Berlin',
      '2026-10-25T12:00:00.000Z',
      ['2026-10', '2026-09-30T22:00:00.000Z', '2026-10-31T23:00:00.000Z'],
    ],
    // Days that begin at 1 o'clock, and one that ends so; and one whose last hour comes twice.
    [
      'day',
      'America/Santiago',
      '2026-09-06T03:30:00.000Z',
      ['2026-09-05', '2026-09-05T04:00:00.000Z', '2026-09-06T04:00:00.000Z'],
    ],
    [
      'day',
      'Africa/Cairo',
      '2026-04-24T12:00:00.000Z',
      ['2026-04-24', '2026-04-23T22:00:00.000Z', '2026-04-24T21:00:00.000Z'],
    ],
    [
      'day',
      'America/Santiago',
      '2026-04-05T03:30:00.000Z',
      ['2026-04-04', '2026-04-04T03:00:00.000Z', '2026-04-05T04:00:00.000Z'],
    ],
    [
      'day',
      'America/Los_Angeles',
      '2026-11-22T07:59:00.000Z',
      ['2026-11-21', '2026-11-21T08:00:00.000Z', '2026-11-22T08:00:00.000Z'],
    ],
    [
      'day',
      'Asia/Kathmandu',
      '2026-11-22T18:15:00.000Z',
      ['2026-11-23', '2026-11-22T18:15:00.000Z', '2026-11-23T18:15:00.000Z'],
    ],
  ] as const)('a %s in %s at %s', (period, timeZone, at, expected) => {
    expect(show(period, timeZone, at)).toEqual(expected);
  });
});
