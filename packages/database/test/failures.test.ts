import { describe, expect, it } from 'vitest';
import { isRefusal, toDatabaseFailure } from '../src/failures.ts';

/** As Prisma gives it: the driver's error inside its own. */
function wrap(originalCode: string) {
  return Object.assign(new Error('Raw query failed'), {
    code: 'P2010',
    meta: { driverAdapterError: { cause: { kind: 'postgres', originalCode } } },
  });
}

describe('what PostgreSQL says', () => {
  it.each([
    ['53100', /has no room/],
    ['53200', /has no room/],
    ['53300', /cannot be reached/],
    ['25006', /read-only/],
    ['25P03', /took too long/],
    ['57014', /took too long/],
    ['55P03', /took too long/],
    ['57P01', /cannot be reached/],
    ['42501', /does not let this user/],
  ])('%s is unavailable, in words of its own', (code, message) => {
    expect(toDatabaseFailure('postgresql', wrap(code))).toMatchObject({
      code: 'unavailable',
      retryable: true,
      message: expect.stringMatching(message),
      hint: expect.any(String),
    });
    expect(isRefusal(wrap(code))).toBe(false);
  });

  it.each(['22003', '23514', '54000'])('%s is a refusal of what it was given, and no outage', (code) => {
    const error = wrap(code);
    expect(isRefusal(error)).toBe(true);
    expect(toDatabaseFailure('postgresql', error)).toBe(error);
  });
});
