import { expect, it } from 'vitest';
import { isTimeZone } from '../src/index.ts';

it.each(['Europe/Berlin', 'UTC', 'Asia/Kathmandu', 'America/St_Johns'])('takes the time zone %s', (name) => {
  expect(isTimeZone(name)).toBe(true);
});

it.each(['Mars/Base', '', '+02:00', '-0330', 'Berlin'])('does not take %j for a time zone', (name) => {
  expect(isTimeZone(name)).toBe(false);
});
