import { createDatabase } from '@aimm/database';
import { connectWorker, createPresence, createProducer } from '@aimm/queue';
import { createLogger } from '@aimm/runtime';
const logger = await createLogger({ name: 't', level: 'silent', format: 'json' });
const c = connectWorker('unix:/tmp/dash/redis.sock', logger);
const p = createProducer({ redis: c, logger });
for (let i = 1; i <= 12; i++) await p.addGeneration({ requestId: `gen_00000000-0000-7000-8000-0000000000${10 + i}`, client: 't', tags: [], lane: 'interactive', enqueuedAt: Date.now(), deadlineAt: Date.now() + 3.6e6, provider: ['mistral','openai'][i%2], request: { model: 'm', messages: [{ role: 'user', content: [{ type: 'text', text: 'Name three rivers of Europe' }] }], settings: {} }, attempts: 1, timeoutMs: 60000, stream: false, onUnknownOutcome: 'fail', warnings: [] });
const demo = process.argv[2] === 'demo';
const pr = createPresence(c, () => ({ id: 'w1', host: 'workshop', pid: 4242, startedAt: Date.now() - 7.3e6, providers: ['openai','anthropic','google','mistral','ollama'].map((id) => ({ id, configured: demo || id !== 'mistral', demo })) }));
await pr.announce();
const db = await createDatabase({ url: 'file:/tmp/dash/a.db' });
const rows = [];
for (let i = 0; i < 60; i++) { const s = Date.now() - i * 6e5; rows.push({ requestId: 'gen_' + i, callNumber: 1, provider: ['openai','anthropic','google'][i%3], model: ['gpt-6.1-terra','claude-sonnet-5-5','gemini-3.8-flash'][i%3], status: i % 13 === 5 ? 'failed' : 'succeeded', client: 't', tags: [], lane: 'interactive', estimated: false, costNanoUsd: i*1234567, cached: false, demo: false, startedAt: s, finishedAt: s + 1500 + 97*i, providerMs: 1500 + 97*i, inputTokens: 1200*i, outputTokens: 300*i }); }
await db.ledger.record(rows); await db.close();
await new Promise((r) => setTimeout(r, 60000));
process.exit(0);
