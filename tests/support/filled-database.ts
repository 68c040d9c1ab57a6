import type { ConversationMessage, MessagePart } from '@aimm/contracts';
import { createDatabase, type Database } from '@aimm/database';
import { createLedgerRow } from './ledger-rows.ts';
import { spec, toColumn, toItem, toRecord } from './stored-batch.ts';

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
/** The ledger's first row; its rows go on for four days. */
export const ledgerStart = Date.UTC(2026, 9, 20);
export const ledgerEnd = ledgerStart + 4 * dayMs;
/** In the middle of a day and of nothing wider than a quarter of an hour. */
const deletedBefore = ledgerStart + dayMs + 6.25 * hourMs;
const masterKey = 'a master key of the tests, long enough';

/** What must be nowhere in a backup. */
export interface PlantedSecrets {
  key: string;
  token: string;
}

/** Puts a bit of everything into an empty database: also days that are in roll-ups only, and rows that are in none. */
export async function fillDatabase(url: string): Promise<PlantedSecrets> {
  let now = ledgerEnd;
  const database = await createDatabase({ url, now: () => now });
  try {
    await database.preferences.put({ client: '*', name: 'fast', models: ['openai/gpt-5-mini'], settings: {} });
    await database.preferences.put({
      client: 'Zoë',
      name: 'default',
      models: [],
      settings: { topP: 0.5, maxOutputTokens: 9 },
    });
    await database.preferences.put({
      client: 'alice',
      name: 'default',
      models: [],
      settings: { system: 'Be “brief”.\u2028' },
    });
    await addConversations(database, () => (now += 1_000));
    await addBatch(database, now);
    await addLedger(database);
    const key = 'sk-planted-0123456789abcdef';
    await database.apiKeys.add({ provider: 'openai', key, label: 'team' }, masterKey);
    const { token } = await database.accessTokens.create({ name: 'ci', scopes: ['generate'] });
    return { key, token };
  } finally {
    await database.close();
  }
}

async function addConversations(database: Database, next: () => number): Promise<void> {
  const { conversations } = database;
  const parts: MessagePart[] = [
    { type: 'text', text: 'Déjà vu 🦊 "quoted" \\ and\nlines\u2028' },
    { type: 'tool_call', id: 'call_1', name: 'look', arguments: { zone: 'b', a: { y: [1.5, 1e21, -0.25], x: null } } },
    { type: 'reasoning', text: 'Hm.', signature: 'abc==', vendor: { b: 1, a: true } },
  ];
  for (const id of ['conv_b', 'conv_A', 'conv_ä']) {
    const messages = [
      say('user', [{ type: 'text', text: `What do foxes eat in ${id}?` }], next()),
      {
        ...say('assistant', parts, next()),
        model: 'openai/gpt-5-mini',
        requestId: `gen_${id}`,
        costNanoUsd: 9_007_199_254_740_991,
        usage: { totalTokens: 30, inputTokens: 10, outputTokens: 20 },
      },
    ];
    await conversations.appendTurn({ id, client: 'alice', title: `Foxes of ${id}`, version: 0, messages });
  }
  await conversations.keepSummary('conv_A', { text: 'They eat plums.', until: 1 });
  await conversations.claimTurn({ id: 'conv_b', version: 1, requestId: 'gen_now' });
}

function say(
  role: 'user' | 'assistant',
  content: MessagePart[],
  createdAt: number,
): Omit<ConversationMessage, 'position'> {
  return { message: { role, content }, createdAt };
}

/** One that runs: answered, judged, failed, at a vendor and waiting. */
async function addBatch({ batches, batchSubmissions }: Database, at: number): Promise<void> {
  const column = { lane: 'queue' as const, template: { ...toColumn(0).template, expectedNanoUsd: 7 } };
  const columns = [
    toColumn(0, column),
    toColumn(1, { provider: 'openai', lane: 'provider_batch' }),
    toColumn(2, { ...column, judges: [0] }),
  ];
  await batches.create({ id: 'bat_é', client: 'Zoë', name: 'Füchse', spec }, columns);
  await batches.addItems('bat_é', 0, [toItem(0, 'What do foxes eat? 🦊'), toItem(1, 'line\u2028break'), toItem(2)]);
  await batches.start('bat_é', { items: 3, estimatedNanoUsd: 9_007_199_254_740_991 }, new Map([[0, 7]]));
  const take = async (number: number, limit: number) => {
    const stored = (await batches.columns('bat_é')).find((one) => one.number === number);
    if (stored === undefined) throw new Error('no column');
    const createId = () => `gen_bat_${number}_${(ids += 1)}`;
    return (await batches.take('bat_é', stored, { limit, maxBytes: 1e6, createId, at })).taken;
  };
  let ids = 0;
  const [answered, failed] = await take(0, 2);
  const place = (column: number, { item = 0, requestId = '' } = {}) => ({ column, item, requestId });
  await batches.record([
    toRecord('bat_é', place(0, answered), { text: 'Plums. “Déjà” \u2028', assertions: [{ name: 'a', passed: true }] }),
    toRecord('bat_é', place(0, failed), { status: 'failed', costNanoUsd: 0 }),
  ]);
  const [judged] = await take(2, 1);
  await batches.record([toRecord('bat_é', place(2, judged), { verdict: { score: 7.25, reason: 'Good.' } })]);
  const held = (await take(1, 2)).map(({ item, requestId }) => ({ item, requestId, calls: 0 }));
  const submission = { id: 'sub1', batchId: 'bat_é', column: 1, provider: 'openai', model: 'm1', round: 1 };
  await batchSubmissions.create({ ...submission, requests: held, createdAt: at, nextAt: at });
  await batchSubmissions.claim('worker-now', ['openai'], at + 60_000);
  await batchSubmissions.change('sub1', 'worker-now', {
    status: 'submitted',
    handle: { id: 'batch_1' },
    submittedAt: at,
  });
}

async function addLedger(database: Database): Promise<void> {
  const rows = Array.from({ length: 4 * 12 }, (_, index) =>
    createLedgerRow({
      requestId: `gen_${String(index).padStart(4, '0')}`,
      callNumber: index % 9 === 8 ? 2 : 1,
      model: index % 3 === 0 ? 'gpt-5' : 'gpt-5-mini',
      client: index % 2 === 0 ? 'alice' : 'Zoë',
      tags: index % 4 === 0 ? ['nightly', 'ü "c"'] : [],
      status: index % 7 === 0 ? 'failed' : 'succeeded',
      ...(index % 7 === 0 && { errorCode: 'timeout' as const }),
      cached: index % 11 === 10,
      savedNanoUsd: index % 11 === 10 ? 77 : undefined,
      costNanoUsd: index % 13 === 0 ? null : 1_000_000_007 * (index + 1),
      inputTokens: index * 3,
      outputTokens: 17,
      queueMs: index,
      providerMs: 100 + index * 13,
      startedAt: ledgerStart + index * 2 * hourMs + 7 * 60_000,
    }),
  );
  await database.ledger.record(rows);
  await database.ledger.rollUp({ limit: 35, unknownBefore: 0 });
  await database.ledger.deleteRolledUp({ limit: 1_000, before: deletedBefore });
}
