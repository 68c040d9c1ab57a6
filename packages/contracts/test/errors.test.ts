import { describe, expect, test } from 'vitest';
import { ErrorCode, ErrorShape, ModelManagerError, RequestId, toModelManagerError } from '../src/index.ts';

describe('an error', () => {
  test.each(ErrorCode.options)('%s crosses a process boundary as it is', (code) => {
    const error = new ModelManagerError(code, 'what happened', { provider: 'p', hint: 'do this', retryAfterMs: 5 });
    const shape = ErrorShape.parse(JSON.parse(JSON.stringify(error.toShape())));
    expect(ModelManagerError.fromShape(shape)).toMatchObject({
      code,
      message: 'what happened',
      provider: 'p',
      hint: 'do this',
      retryAfterMs: 5,
      retryable: error.retryable,
    });
  });

  test('leaves the vendor’s words behind', () => {
    const shape = new ModelManagerError('server_error', 'ours', { vendorMessage: 'theirs' }).toShape();
    expect(JSON.stringify(shape)).not.toContain('theirs');
  });

  test('that is not ours becomes internal, its text kept out of the message', () => {
    const error = toModelManagerError(new Error('password=hunter2'));
    expect(error.code).toBe('internal');
    expect(JSON.stringify(error.toShape())).not.toContain('hunter2');
    expect(error.cause).toBeInstanceOf(Error);
  });
});

describe('a request id', () => {
  test.each(['gen_0198c0de-0000-7000-8000-000000000000', 'cmp_0198c0de-0000-7000-8000-000000000000'])(
    '%s is one',
    (id) => {
      expect(RequestId.safeParse(id).success).toBe(true);
    },
  );

  test.each(['1', 'gen_1', 'gen_0198c0de-0000-4000-8000-000000000000', '../gen_0198c0de-0000-7000-8000-000000000000'])(
    '%s is none',
    (id) => {
      expect(RequestId.safeParse(id).success).toBe(false);
    },
  );
});
