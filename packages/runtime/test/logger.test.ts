import { describe, expect, test } from 'vitest';
import { redactSecrets } from '../src/logger.ts';

describe('log lines', () => {
  test('hold no known secret, wherever it stands', () => {
    const line = '{"err":"401 for sk-live-1234567890 (sk-live-1234567890)","msg":"x"}';
    expect(redactSecrets(line, ['sk-live-1234567890'])).toBe('{"err":"401 for [secret] ([secret])","msg":"x"}');
  });

  test('are not torn apart by a secret as short as a word', () => {
    expect(redactSecrets('the demo answered', ['demo'])).toBe('the demo answered');
  });
});
