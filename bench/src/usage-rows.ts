import type { LedgerRow } from '@aimm/contracts';

const models = [
  ['openai', 'gpt-5-mini'],
  ['openai', 'gpt-5'],
  ['openai', 'gpt-5-nano'],
  ['anthropic', 'claude-sonnet-4-5'],
  ['anthropic', 'claude-haiku-4-5'],
  ['anthropic', 'claude-opus-4-5'],
  ['google', 'gemini-2.5-flash'],
  ['google', 'gemini-2.5-pro'],
  ['mistral', 'mistral-large-latest'],
  ['mistral', 'mistral-small-latest'],
  ['ollama', 'llama3.3'],
  ['ollama', 'qwen3'],
] as const;
const clients = ['local', 'ci', 'nightly', 'web', 'desktop', 'alice', 'bob', 'research'];
const tags = [[], [], [], ['eval'], ['nightly'], ['eval', 'nightly'], ['translate'], ['summary']];
const codes = ['rate_limited', 'timeout', 'server_error', 'overloaded'] as const;

/** `count` calls spread evenly over the span, the same at every run; models and clients are used unevenly, as they are. */
export function* createUsageRows(count: number, span: { from: number; to: number }): Generator<LedgerRow> {
  let state = 20261122;
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const pick = <Item>(items: readonly Item[]) => items[Math.floor(random() ** 1.6 * items.length)] as Item;
  const whole = (upTo: number) => Math.floor(random() * upTo);
  for (let index = 0; index < count; index += 1) {
    const [provider, model] = pick(models);
    const cached = random() < 0.05;
    const failed = !cached && random() < 0.04;
    const providerMs = Math.floor(300 * Math.exp(random() * 4));
    yield {
      requestId: `gen_019aa000-0000-7000-8000-${index.toString(16).padStart(12, '0')}`,
      callNumber: 1,
      provider,
      model,
      status: failed ? 'failed' : 'succeeded',
      ...(failed && { errorCode: pick(codes) }),
      client: pick(clients),
      tags: tags[whole(tags.length)] ?? [],
      lane: 'interactive',
      inputTokens: whole(8_000),
      outputTokens: whole(2_000),
      estimated: false,
      costNanoUsd: cached ? 0 : whole(50_000_000),
      priceVersion: '2026-11',
      ...(cached ? { savedNanoUsd: whole(50_000_000) } : { queueMs: Math.floor(Math.exp(random() * 8)), providerMs }),
      ...(!cached && !failed && { firstTokenMs: Math.floor(providerMs * (0.1 + random() / 2)) }),
      cached,
      demo: false,
      startedAt: span.from + Math.floor((index / count) * (span.to - span.from)),
    };
  }
}
