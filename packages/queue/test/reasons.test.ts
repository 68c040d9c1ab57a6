import { expect, test } from 'vitest';
import { fromReason, toReason } from '../src/reasons.ts';

test('an error comes back from its reason', () => {
  const error = { code: 'overloaded' as const, message: 'Busy: call later.\nReally.' };
  expect(fromReason(toReason(error))).toMatchObject(error);
});

test.each([
  'Maximum call stack size exceeded',
  'ENOENT: no such file or directory, open /home/me/aimm.db',
  'no_such_code: something',
  '',
  undefined,
])('words of others, like %j, are for logs and not for clients', (reason) => {
  expect(fromReason(reason)).toMatchObject({ code: 'internal', message: 'The job failed inside a worker.' });
});
