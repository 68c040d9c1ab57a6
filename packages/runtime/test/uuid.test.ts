import { expect, test } from 'vitest';
import { createUuid } from '../src/uuid.ts';

test('ids are of version 7, none is given twice, and the pool behind them is filled again', () => {
  const uuid = createUuid(4);
  const ids = Array.from({ length: 1_000 }, uuid);
  expect(new Set(ids).size).toBe(1_000);
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
});
