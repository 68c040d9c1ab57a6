import { expect, test } from 'vitest';
import { formatUsdTick } from '../src/report/client/format.js';

test.each([
  [
    [0, 0.005, 0.01, 0.015],
    ['$0.00', '$0.0050', '$0.01', '$0.015'],
  ],
  [
    [0, 0.025, 0.05, 0.075],
    ['$0.00', '$0.025', '$0.05', '$0.075'],
  ],
  [
    [0, 0.25, 0.5, 12.5],
    ['$0.00', '$0.25', '$0.50', '$12.50'],
  ],
])('no two ticks of an axis of money read the same: %j', (ticks, texts) => {
  expect(ticks.map((tick) => String(formatUsdTick(tick)))).toEqual(texts);
});
