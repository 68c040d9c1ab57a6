import type {
  BatchGeneration,
  BatchView,
  ComparisonResult,
  Conversation,
  ConversationMessage,
  UsageTotals,
} from '@aimm/contracts';
import type {
  CostEstimate,
  GenerationAnswer,
  HealthReport,
  JobList,
  JobView,
  ModelList,
  PreferenceView,
  ProviderView,
} from '@aimm/manager';

export const generationId = 'gen_0198c0de-0000-7000-8000-000000000001';
export const comparisonId = 'cmp_0198c0de-0000-7000-8000-000000000002';
export const batchId = 'bat_0198c0de-0000-7000-8000-000000000004';
export const conversationId = 'conv_0198c0de-0000-7000-8000-000000000003';

export const answer: GenerationAnswer = {
  requestId: generationId,
  provider: 'openai',
  model: 'gpt-5-mini',
  answeredBy: 'gpt-5-mini-2026-01-01',
  text: 'Paris.',
  finishReason: { unified: 'stop', raw: 'completed' },
  usage: { inputTokens: 12, outputTokens: 3, totalTokens: 15 },
  costNanoUsd: 9_000,
  latency: { queueMs: 4, firstTokenMs: 210, providerMs: 800, totalMs: 850 },
  calls: 1,
  cached: false,
  warnings: [{ code: 'unsupported_setting', message: 'gpt-5-mini does not take temperature.', setting: 'temperature' }],
};

export const comparison: ComparisonResult = {
  requestId: comparisonId,
  entries: [
    { requestId: generationId, provider: 'openai', model: 'gpt-5-mini', result: answer },
    {
      requestId: 'gen_0198c0de-0000-7000-8000-000000000004',
      provider: 'mistral',
      model: 'mistral-large',
      error: { code: 'rate_limited', message: 'mistral allows no more requests now.', retryable: true },
    },
  ],
  summary: {
    succeeded: 1,
    failed: 1,
    fastest: 'openai/gpt-5-mini',
    cheapest: 'openai/gpt-5-mini',
    longest: 'openai/gpt-5-mini',
    totalCostNanoUsd: 9_000,
    totalInputTokens: 12,
    totalOutputTokens: 3,
    totalMs: 900,
  },
  judgement: {
    judge: 'anthropic/claude-haiku-4-5',
    requestId: 'gen_0198c0de-0000-7000-8000-000000000005',
    winner: 'openai/gpt-5-mini',
    ranking: [{ model: 'openai/gpt-5-mini', score: 9, reason: 'Short and right.' }],
  },
};

export const provider: ProviderView = {
  id: 'openai',
  kind: 'openai',
  name: 'OpenAI',
  baseUrl: 'https://user:planted-secret@api.example.test/v1?key=planted-secret',
  configured: true,
  demo: false,
  concurrency: 8,
  requestsPerMinute: 500,
  defaultModel: 'gpt-5-mini',
  apiKeyVariables: ['OPENAI_API_KEY'],
};

export const model: ModelList['models'][number] = {
  provider: 'openai',
  id: 'gpt-5-mini',
  name: 'GPT-5 mini',
  contextWindow: 400_000,
  maxOutputTokens: 128_000,
  inputModalities: ['text', 'image'],
  outputModalities: ['text'],
  capabilities: ['text', 'tools', 'images'],
  prices: { inputPerMillionUsd: 0.25, outputPerMillionUsd: 2 },
  quirks: { unsupported: ['topP'], reasoningEfforts: ['low', 'high'] },
  source: 'both',
  available: true,
  demo: false,
};

export const totals: UsageTotals = {
  requests: 2,
  calls: 3,
  succeeded: 2,
  failed: 1,
  cancelled: 0,
  partial: 0,
  outcomeUnknown: 0,
  inputTokens: 24,
  outputTokens: 6,
  cacheReadTokens: 0,
  cacheWriteTokens: 0,
  reasoningTokens: 0,
  costNanoUsd: 18_000,
  demoNanoUsd: 0,
  unpricedCalls: 1,
  cached: 0,
  errorRate: 1 / 3,
  errorsByCode: { timeout: 1 },
  savedInputTokens: 0,
  savedOutputTokens: 0,
  savedNanoUsd: 0,
  unpricedCached: 0,
  queueP50Ms: 10,
  queueP95Ms: 40,
  latencyP50Ms: 850,
  latencyP95Ms: 1200,
};

export const health: HealthReport = {
  healthy: false,
  providers: [
    {
      provider: 'openai',
      kind: 'openai',
      configured: true,
      demo: false,
      reachable: true,
      keyValid: false,
      latencyMs: 90,
      checkedAt: 1_764_000_000_000,
      problem: 'The key is not valid',
      hint: 'Set OPENAI_API_KEY.',
    },
  ],
  queue: {
    reachable: true,
    latencyMs: 1,
    workers: [{ id: 'w1', host: 'here', pid: 42, providers: ['openai'], startedAt: 1, seenAt: 2 }],
    queues: [{ name: 'openai', waiting: 3, active: 1, delayed: 0, failed: 0, pausedForMs: 12_000 }],
  },
  database: { kind: 'sqlite', reachable: true, latencyMs: 1 },
};

export const queuedJob: JobView = {
  requestId: generationId,
  kind: 'generation',
  status: 'queued',
  model: 'openai/gpt-5-mini',
  createdAt: 1_764_000_000_000,
  position: 3,
};

const counts = { waiting: 1, queued: 0, succeeded: 1, failed: 0, cancelled: 0, skipped: 0 };

export const batch: BatchView = {
  batchId,
  client: 'me',
  name: 'nightly',
  status: 'running',
  items: 2,
  total: 2,
  counts,
  estimatedCostNanoUsd: 2_000_000,
  maxCostNanoUsd: 5_000_000_000,
  costNanoUsd: 900_000,
  columns: [
    {
      column: { number: 0, provider: 'openai', model: 'gpt-5-mini', lane: 'queue' },
      counts,
      passed: 0,
      asserted: 1,
      assertions: { contains: { passed: 0, of: 1 } },
      wins: 0,
      losses: 0,
      ties: 0,
      costNanoUsd: 900_000,
      unpriced: 0,
      inputTokens: 10,
      outputTokens: 5,
      latencyP50Ms: 800,
      latencyP95Ms: 800,
      errors: {},
    },
  ],
  createdAt: 1_764_000_000_000,
  estimatedLeftMs: 61_000,
};

export const batchGenerations: BatchGeneration[] = [
  {
    item: 0,
    itemId: 'fox',
    column: 0,
    status: 'succeeded',
    requestId: generationId,
    text: 'Foxes pounce.',
    costNanoUsd: 900_000,
    providerMs: 800,
    assertions: [{ name: 'contains', passed: false, reason: 'does not contain "snow"' }],
    endedAt: 1_764_000_001_000,
  },
  { item: 1, itemId: 'owl', column: 0, status: 'waiting' },
];

export const conversation: Conversation = {
  id: conversationId,
  client: 'me',
  title: 'How do foxes hunt?',
  version: 1,
  createdAt: 1_764_000_000_000,
  updatedAt: 1_764_000_060_000,
};

export const conversationMessages: ConversationMessage[] = [
  {
    position: 0,
    message: {
      role: 'user',
      content: [
        { type: 'image', data: 'cGxhbnRlZA==', mediaType: 'image/png' },
        { type: 'text', text: 'How do foxes hunt?' },
      ],
    },
    createdAt: 1_764_000_000_000,
  },
  {
    position: 1,
    message: {
      role: 'assistant',
      content: [
        { type: 'reasoning', text: 'Foxes…', signature: 'c2ln' },
        { type: 'text', text: 'By ear.' },
      ],
    },
    model: 'openai/gpt-5-mini',
    requestId: generationId,
    costNanoUsd: 9_000,
    usage: { inputTokens: 12, outputTokens: 3 },
    createdAt: 1_764_000_060_000,
  },
];

export const listedJob: JobList['jobs'][number] = {
  requestId: generationId,
  kind: 'generation',
  client: 'tester',
  status: 'queued',
  createdAt: 1_800_000_000_000,
  ageMs: 4_200,
  models: ['openai/gpt-5-mini'],
  wait: { position: 3, inLine: 9, waitingFor: 'queue' },
};

export const estimates: CostEstimate[] = [
  {
    asked: 'fast',
    alias: 'fast',
    provider: 'openai',
    model: 'openai/gpt-5-mini',
    inputTokens: 12,
    expectedOutputTokens: 500,
    maxOutputTokens: 4_096,
    expectedNanoUsd: 1_003_000,
    maxNanoUsd: 8_195_000,
    priceVersion: '2026-11-22',
    warnings: [],
  },
  {
    asked: 'ollama/own',
    provider: 'ollama',
    model: 'ollama/own',
    inputTokens: 14,
    expectedOutputTokens: 500,
    maxOutputTokens: 500,
    expectedNanoUsd: null,
    maxNanoUsd: null,
    unpricedBecause: 'Nobody knows the price of ollama/own.',
    warnings: [],
  },
];

export const preference: PreferenceView = {
  name: 'work',
  scope: 'own',
  models: ['openai/gpt-5-mini'],
  settings: { maxOutputTokens: 200, system: 'Be brief.' },
  means: 'openai/gpt-5-mini',
  updatedAt: 1_800_000_000_000,
};
