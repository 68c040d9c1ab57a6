import type { ProviderHealth } from '@aimm/contracts';
import type { HealthReport } from '@aimm/manager';
import { expect, it } from 'vitest';
import { formatHealth, HealthSchema, toHealthOutput } from '../src/format/health.ts';

const at = Date.parse('2026-11-22T12:00:00Z');
const openai: ProviderHealth = {
  provider: 'openai',
  kind: 'openai',
  configured: true,
  demo: false,
  reachable: true,
  keyValid: true,
  checkedAt: at,
  keys: [
    { label: 'OPENAI_API_KEY', source: 'environment', state: 'in_use' },
    {
      label: 'team',
      source: 'database',
      fingerprint: '…x7Qz',
      state: 'set_aside',
      reason: 'The provider does not accept it.',
      until: at + 600_000,
    },
    { label: 'old', source: 'database', fingerprint: '…abcd', state: 'unreadable', reason: 'Another master key.' },
  ],
  limits: { requestsRemaining: 499, tokensRemaining: 29_900, resetAt: at + 60_000, seenAt: at },
};
const report: HealthReport = {
  healthy: true,
  providers: [openai],
  queue: { reachable: true, workers: [], queues: [] },
  database: { kind: 'sqlite', reachable: true },
};

it('check_health names the keys that are not in use, and what is left of the limits', () => {
  expect(formatHealth(report).split('\n').slice(0, 4)).toEqual([
    'Healthy.',
    '- openai: reachable, key valid, 499 requests left, 29,900 tokens left',
    '  - key team (…x7Qz): set aside until 2026-11-22T12:10:00.000Z. The provider does not accept it.',
    '  - key old (…abcd): unreadable. Another master key.',
  ]);
  const [provider] = HealthSchema.parse(toHealthOutput(report)).providers;
  expect(provider?.keys).toEqual([
    { label: 'OPENAI_API_KEY', source: 'environment', state: 'in_use' },
    {
      label: 'team',
      source: 'database',
      fingerprint: '…x7Qz',
      state: 'set_aside',
      reason: 'The provider does not accept it.',
      until: '2026-11-22T12:10:00.000Z',
    },
    { label: 'old', source: 'database', fingerprint: '…abcd', state: 'unreadable', reason: 'Another master key.' },
  ]);
  expect(provider?.limits).toEqual({
    requests_remaining: 499,
    tokens_remaining: 29_900,
    reset_at: '2026-11-22T12:01:00.000Z',
  });
});

it('check_health names what is set aside, why, and until when', () => {
  const cooldown = {
    provider: 'openai',
    since: at,
    until: at + 5_000,
    failures: 5,
    calls: 6,
    lastError: 'server_error',
  };
  const cooldowns = [
    { ...cooldown, state: 'open' as const },
    { ...cooldown, model: 'gpt', state: 'probing' as const },
  ];
  const { keys: _keys, ...provider } = openai;
  const unwell = { ...report, providers: [{ ...provider, cooldowns }] };
  expect(formatHealth(unwell).split('\n').slice(2, 4)).toEqual([
    '  - openai: set aside until 2026-11-22T12:00:05.000Z; 5 of 6 calls failed (server_error)',
    '  - openai/gpt: being tried again since 2026-11-22T12:00:05.000Z; 5 of 6 calls failed (server_error)',
  ]);
  expect(HealthSchema.parse(toHealthOutput(unwell)).providers[0]?.cooldowns?.[1]).toEqual({
    model: 'gpt',
    state: 'probing',
    since: '2026-11-22T12:00:00.000Z',
    until: '2026-11-22T12:00:05.000Z',
    failures: 5,
    calls: 6,
    last_error: 'server_error',
  });
});
