import { ErrorCode, ModelManagerError } from '@aimm/contracts';
import { expect, it } from 'vitest';
import { formatError, JobError } from '../src/errors.ts';
import { formatOrdinal, formatSeconds, formatUsd } from '../src/format/units.ts';
import { withoutCredentials } from '../src/format/model.ts';

it.each(ErrorCode.options)('an error %s names its code and a way out', (code) => {
  const [message, hint, facts] = formatError(new ModelManagerError(code, 'It broke.').toShape(), 'gen_1').split('\n');
  expect([message, facts]).toEqual(['It broke.', `(error: ${code} · job_id: gen_1)`]);
  expect(hint?.length).toBeGreaterThan(20);
});

it('the hint of whoever threw goes before ours', () => {
  const error = new ModelManagerError('unknown_model', 'No gpt-6.', { hint: 'Did you mean gpt-5?' });
  expect(formatError(error.toShape())).toBe('No gpt-6.\nDid you mean gpt-5?\n(error: unknown_model)');
});

it('an error of a job keeps what was known of it', () => {
  const cause = new ModelManagerError('overloaded', 'Busy.', { retryAfterMs: 5, provider: 'x', vendorMessage: 'raw' });
  expect(new JobError(cause, 'gen_1')).toMatchObject({
    jobId: 'gen_1',
    code: 'overloaded',
    retryable: true,
    retryAfterMs: 5,
    provider: 'x',
    vendorMessage: 'raw',
  });
});

it.each([
  [0, '$0.00'],
  [1.239, '$1.24'],
  [0.01, '$0.01'],
  [0.00042, '$0.00042'],
  [0.000000001, '$0.000000001'],
  [null, 'price unknown'],
])('%s dollars read %s', (usd, text) => expect(formatUsd(usd)).toBe(text));

it.each([
  [12, '12 ms'],
  [1234, '1.2 s'],
  [45_400, '45 s'],
  [200_000, '3 min 20 s'],
])('%s ms read %s', (ms, text) => expect(formatSeconds(ms)).toBe(text));

it.each([
  [1, '1st'],
  [2, '2nd'],
  [3, '3rd'],
  [11, '11th'],
  [22, '22nd'],
])('place %s reads %s', (place, text) => expect(formatOrdinal(place)).toBe(text));

it.each([
  ['https://user:secret@host.test:8080/v1/?key=secret#secret', 'https://host.test:8080/v1/'],
  ['http://127.0.0.1:11434', 'http://127.0.0.1:11434'],
  ['not a url with secret', undefined],
])('of the endpoint %s only the place is told', (url, told) => expect(withoutCredentials(url)).toBe(told));
