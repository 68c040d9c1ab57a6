import { createAssertionChecks } from '@aimm/batch';
import { createTokenEstimator, loadCatalog, toCounter, toPeriodOf } from '@aimm/catalog';
import type { BatchItem, BatchSpec, LedgerRow } from '@aimm/contracts';
import { createDatabase, type Database, UnreadableError } from '@aimm/database';
import {
  type BatchKind,
  type BatchServer,
  type Fate,
  noRoom,
  startBatchServer,
  wholeWires,
} from '@aimm/providers/testing';
import { createLogger } from '@aimm/runtime';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import {
  createBatchBudgets,
  createProviderBatchKeeper,
  createProviderSet,
  type ProviderBatchKeeper,
  type ProviderBatchPace,
} from '@aimm/worker/provider-batches';
import { createConfigWith } from '../support/configured.ts';
import { createQueueFixture } from '../support/queue-fixture.ts';
import { spec as plainSpec, toColumn } from '../support/stored-batch.ts';
import { createEmptyDatabase, type databaseKinds } from '../support/test-databases.ts';

vi.setConfig({ testTimeout: 30_000, hookTimeout: 60_000 });

const models: Record<BatchKind, string> = {
  openai: 'gpt-5-mini',
  anthropic: 'claude-haiku-4-5',
  google: 'gemini-2.5-flash',
  mistral: 'mistral-large-2512',
};
const counts = { input: 1_000, output: 100, cacheRead: 400, reasoning: 0 };
/** Every vendor on one database, and one vendor on the other: what is the vendor's has nothing to do with what is the database's. */
const setups: [BatchKind, (typeof databaseKinds)[number]][] = [
  ['openai', 'sqlite'],
  ['anthropic', 'sqlite'],
  ['google', 'sqlite'],
  ['mistral', 'sqlite'],
  ['openai', 'postgresql'],
];

describe.each(setups)('batches at the vendor: %s, kept in %s', (kind, databaseKind) => {
  const whole = wholeWires[kind];
  let server: BatchServer;
  let worker: Awaited<ReturnType<typeof startWorker>>;
  let database: Database;
  let clock = Date.UTC(2026, 10, 23);
  let tests = 0;
  let requests = 0;
  let submissions = 0;
  let keepers: ProviderBatchKeeper[] = [];
  const batchId = () => `bat_${tests}`;

  beforeAll(async () => {
    server = await startBatchServer(kind);
    const url = await createEmptyDatabase(databaseKind);
    database = await createDatabase({ url, now: () => clock });
    worker = await startWorker();
  });
  afterAll(async () => {
    await database.close();
    await server.close();
  });
  beforeEach(() => {
    tests += 1;
    Object.assign(server, { batches: [], refuse: undefined, cutAfterBytes: undefined, losesAnswer: false });
    server.tamper = (lines) => lines.toReversed();
    server.files.clear();
    server.fateOf = answered;
  });
  afterEach(async () => {
    await Promise.all(keepers.map((keeper) => keeper.close()));
    keepers = [];
    await database.batches.remove(batchId());
  });

  const answered = (_id: string, body: Record<string, unknown>): Fate => ({
    answer: whole.text(`answer to ${/prompt \d+/.exec(JSON.stringify(body))?.[0]}`, counts),
  });

  async function startWorker() {
    const env = {
      [`${kind.toUpperCase()}_API_KEY`]: 'sk-test',
      [`${kind.toUpperCase()}_BASE_URL`]: kind === 'openai' ? `${server.url}/v1` : server.url,
    };
    const { catalog } = loadCatalog({ env, now: () => clock });
    return {
      catalog,
      providers: createProviderSet({ catalog, served: [kind], environment: env }),
      tokens: createTokenEstimator(),
      checks: createAssertionChecks(),
      logger: await createLogger({ name: 'keeper', level: 'silent', format: 'json' }),
    };
  }

  function startKeeper(
    pace: Partial<ProviderBatchPace> = {},
    budgets?: ReturnType<typeof createBatchBudgets>,
    kept = database,
  ): ProviderBatchKeeper {
    const keeper = createProviderBatchKeeper({
      ...worker,
      ...(budgets !== undefined && { budgets }),
      database: () => Promise.resolve(kept),
      ledger: { record: async (rows: readonly LedgerRow[]) => void (await database.ledger.record(rows)) },
      createRequestId: () => `gen_${(requests += 1)}`,
      createSubmissionId: () => `sub${(submissions += 1)}`,
      owner: `keeper-${keepers.length}`,
      now: () => clock,
      pace: { maxRequests: 1_000, recordAtOnce: 4, ...pace },
    });
    keepers.push(keeper);
    return keeper;
  }

  async function storeBatch(
    items: number | BatchItem[],
    spec: Partial<BatchSpec> = {},
    {
      maxCostNanoUsd,
      expectedNanoUsd,
      system,
    }: { maxCostNanoUsd?: number; expectedNanoUsd?: number; system?: string } = {},
  ): Promise<void> {
    const list = typeof items === 'number' ? Array.from({ length: items }, (_, number) => toItem(number)) : items;
    const asked = toColumn(0, { provider: kind, model: models[kind], lane: 'provider_batch' });
    const column = system === undefined ? asked : { ...asked, template: { ...asked.template, system } };
    await database.batches.create({ id: batchId(), client: 'tests', spec: { ...plainSpec, ...spec } }, [column]);
    await database.batches.addItems(batchId(), 0, list);
    await database.batches.start(
      batchId(),
      { items: list.length, estimatedNanoUsd: null, ...(maxCostNanoUsd !== undefined && { maxCostNanoUsd }) },
      new Map([[0, expectedNanoUsd ?? null]]),
    );
  }
  const toItem = (number: number): BatchItem => ({
    id: `item-${number}`,
    messages: [{ role: 'user', content: [{ type: 'text', text: `prompt ${number}.` }] }],
  });

  /** Looks after all that is due, at once and an hour later again and again, until the batch is over. */
  async function drive(
    keeper: ProviderBatchKeeper,
    isOver = async () => (await statusOf()) !== 'running',
  ): Promise<void> {
    for (let hours = 0; hours < 40; hours += 1) {
      await keeper.tick();
      if (await isOver()) return;
      clock += 3_600_000;
    }
    throw new Error('the batch did not end');
  }
  const statusOf = async () => (await database.batches.find(batchId()))?.status;
  const toVendorsEnd = (state: 'ended' | 'expired' | 'failed' = 'ended') => server.end(state);
  async function generations() {
    const batch = await database.batches.find(batchId());
    if (batch === undefined) throw new Error('no batch');
    const columns = await database.batches.columns(batchId());
    return (await database.batches.generations(batch, columns, { limit: 1_000 })).generations;
  }
  async function ledgerRows(): Promise<LedgerRow[]> {
    const rows = await Promise.all(
      (await generations()).map(({ requestId }) => database.ledger.findByRequest(requestId ?? '')),
    );
    return rows.flat();
  }
  const cost = async () => (await database.batches.find(batchId()))?.spentNanoUsd;

  test('asks all items at the vendor, and records every answer once, at the price of batches', async () => {
    await storeBatch(10, { assertions: [{ type: 'contains', value: 'answer to prompt' }] });
    const keeper = startKeeper();
    await keeper.tick();
    expect(server.batches).toHaveLength(1);
    expect((await generations()).every(({ status }) => status === 'queued')).toBe(true);
    toVendorsEnd();
    await drive(keeper);
    const done = await generations();
    expect(done.map(({ text }) => text)).toEqual(done.map((_, item) => `answer to prompt ${item}`));
    expect(done.every(({ status, assertions }) => status === 'succeeded' && assertions?.[0]?.passed === true)).toBe(
      true,
    );
    const rows = await ledgerRows();
    expect(rows).toHaveLength(10);
    const { catalog } = loadCatalog({ env: {}, now: () => clock });
    const price = catalog.priceCall({
      provider: kind,
      model: models[kind],
      usage: { inputTokens: 1_000, cacheReadTokens: 400, outputTokens: 100 },
      at: clock,
      serviceTier: 'batch',
    });
    expect(price.costNanoUsd).toBeGreaterThan(0);
    for (const row of rows) {
      expect(row).toMatchObject({ ...price, status: 'succeeded', callNumber: 1, lane: 'batch', parentId: batchId() });
      // The vendor does not say how long it took.
      expect(row).not.toHaveProperty('providerMs');
    }
    expect(await cost()).toBe(10 * (price.costNanoUsd ?? 0));
    // What was said is deleted at the vendor.
    expect(server.files.size).toBe(0);
  });

  test.each([
    ['was lost', true],
    ['was that of a gateway', 503],
  ])('a submission whose answer %s is found again, and not sent twice', async (_name, lost) => {
    await storeBatch(5);
    server.losesAnswer = lost;
    const first = startKeeper();
    await first.tick();
    await first.close();
    expect(server.batches).toHaveLength(1);
    // Another worker goes on.
    const second = startKeeper();
    clock += 3_600_000;
    await second.tick();
    toVendorsEnd();
    await drive(second);
    expect(server.batches.length).toBeLessThanOrEqual(1);
    expect(createsSince()).toBe(1);
    expect((await generations()).every(({ status }) => status === 'succeeded')).toBe(true);
    expect(await ledgerRows()).toHaveLength(5);
  });
  let seenCreates = 0;
  const isCreate = (path: string) => /batches$|batch\/jobs$|batchGenerateContent$/.test(path);
  /** How often a batch was to be made in this test. */
  const createsSince = () =>
    server.received.filter(({ method, path }) => method === 'POST' && isCreate(path)).length - seenCreates;
  beforeEach(() => {
    seenCreates = 0;
    seenCreates = createsSince();
  });

  test('a batch of somebody else that looks like a lost one is left alone, and the lost one sent again', async () => {
    await storeBatch(3);
    server.losesAnswer = true;
    const keeper = startKeeper();
    await keeper.tick();
    // Ours never arrived; another program of the same account has one of the same size.
    const [lost] = server.batches.splice(0);
    const requests = (lost?.requests ?? []).map(({ body }, index) => ({ id: `theirs-${index}`, body }));
    if (lost !== undefined)
      server.batches.push({ ...lost, id: 'batch-theirs', name: 'theirs', requests, state: 'running' });
    clock += 3_600_000;
    await keeper.tick();
    const theirs = server.batches.find(({ id }) => id === 'batch-theirs');
    expect(theirs?.state).toBe('running');
    await drive(keeper, async () => {
      toVendorsEnd();
      return (await statusOf()) !== 'running';
    });
    expect(server.batches).toContain(theirs);
    expect((await generations()).map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded']);
    expect((await ledgerRows()).map(({ callNumber, status }) => `${callNumber} ${status}`)).toEqual(
      Array(3).fill('1 succeeded'),
    );
  });

  test('a lost batch beside one of somebody else that looks like it is found once that has ended', async () => {
    await storeBatch(3);
    server.losesAnswer = true;
    const keeper = startKeeper();
    await keeper.tick();
    const [ours] = server.batches;
    if (ours === undefined) throw new Error('it was made');
    const requests = ours.requests.map(({ body }, index) => ({ id: `theirs-${index}`, body }));
    server.batches.unshift({ ...ours, id: 'batch-theirs', name: 'theirs', requests });
    clock += 3_600_000;
    await keeper.tick();
    toVendorsEnd();
    await drive(keeper);
    expect(createsSince()).toBe(1);
    expect((await generations()).map(({ status }) => status)).toEqual(Array(3).fill('succeeded'));
    expect((await ledgerRows()).map(({ callNumber, status }) => `${callNumber} ${status}`)).toEqual(
      Array(3).fill('1 succeeded'),
    );
  });

  test('two lost batches of one size that are taken for each other are found again, and neither is sent twice', async () => {
    await storeBatch(4);
    const keeper = startKeeper({ maxRequests: 2 });
    server.refuse = (method, path) => {
      if (method === 'POST' && isCreate(path)) server.losesAnswer = true;
      return undefined;
    };
    await keeper.tick();
    const [, older] = server.batches;
    if (older === undefined) throw new Error('two were made');
    clock += 3_600_000;
    await keeper.tick();
    toVendorsEnd();
    // Whoever took it is still at that when the other one looks again.
    server.refuse = (_method, path) => {
      if (!path.endsWith(older.id)) return undefined;
      server.refuse = undefined;
      return { status: 500, body: { error: { message: 'oops' } } };
    };
    clock += 3_600_000;
    await drive(keeper);
    expect(createsSince()).toBe(2);
    expect((await generations()).map(({ text }) => text)).toEqual(
      [0, 1, 2, 3].map((item) => `answer to prompt ${item}`),
    );
    expect((await ledgerRows()).map(({ callNumber, status }) => `${callNumber} ${status}`)).toEqual(
      Array(4).fill('1 succeeded'),
    );
  });

  test('results that break off are taken over again from the beginning, each answer once', async () => {
    await storeBatch(12);
    const keeper = startKeeper();
    await keeper.tick();
    toVendorsEnd();
    server.cutAfterBytes = 3_000;
    await drive(keeper);
    const rows = await ledgerRows();
    expect(rows).toHaveLength(12);
    expect(await cost()).toBe(rows.reduce((sum, { costNanoUsd }) => sum + (costNanoUsd ?? 0), 0));
    expect((await generations()).every(({ status }) => status === 'succeeded')).toBe(true);
  });

  test('what was not answered is asked again, three times at most', async () => {
    await storeBatch(6);
    // Two are not even mentioned the first time, one never is.
    const silent = (id: string) => /i[45]$/.test(id) && (server.batches.length === 1 || id.endsWith('i5'));
    server.fateOf = (id, body) => (silent(id) ? 'unmentioned' : answered(id, body));
    const keeper = startKeeper();
    const steps = drive(keeper, async () => {
      toVendorsEnd();
      return (await statusOf()) !== 'running';
    });
    await steps;
    const done = await generations();
    expect(done.slice(0, 4).every(({ status }) => status === 'succeeded')).toBe(true);
    expect(done[5]).toMatchObject({ status: 'failed', costNanoUsd: null, error: { code: 'outcome_unknown' } });
    const rows = await ledgerRows();
    const lost = rows.filter(({ requestId }) => requestId === done[5]?.requestId);
    expect(lost.map(({ callNumber, status, costNanoUsd }) => [callNumber, status, costNanoUsd])).toEqual([
      [1, 'outcome_unknown', null],
      [2, 'outcome_unknown', null],
      [3, 'outcome_unknown', null],
    ]);
  });

  test('what expired goes into another batch; it was no call', async () => {
    await storeBatch(4);
    server.fateOf = (id, body) => (id.endsWith('i3') ? 'expired' : answered(id, body));
    const keeper = startKeeper();
    await keeper.tick();
    toVendorsEnd('expired');
    clock += 3_600_000;
    await keeper.tick();
    server.fateOf = answered;
    // Gemini gives nothing of a batch that expired.
    const before = await ledgerRows();
    expect(before).toHaveLength(kind === 'google' ? 0 : 3);
    await drive(keeper, async () => {
      toVendorsEnd();
      return (await statusOf()) !== 'running';
    });
    const rows = await ledgerRows();
    expect(rows).toHaveLength(4);
    const later = rows.filter((row) => !before.some(({ requestId }) => requestId === row.requestId));
    expect(new Set(later.map(({ callNumber, status }) => `${callNumber} ${status}`))).toEqual(new Set(['1 succeeded']));
    expect((await generations()).every(({ status }) => status === 'succeeded')).toBe(true);
  });

  test('a request that the vendor refuses has failed; one that it limits is asked again', async () => {
    await storeBatch(3);
    const refusal = (status: number): Fate => ({
      status,
      body:
        kind === 'anthropic'
          ? {
              type: 'error',
              error: { type: status === 429 ? 'rate_limit_error' : 'invalid_request_error', message: 'no' },
            }
          : kind === 'google'
            ? { code: status === 429 ? 8 : 3, message: 'no' }
            : { error: { message: 'no', code: 'some_error' } },
    });
    let limited = true;
    server.fateOf = (id, body) =>
      id.endsWith('i1') ? refusal(400) : id.endsWith('i2') && limited ? refusal(429) : answered(id, body);
    const keeper = startKeeper();
    await keeper.tick();
    toVendorsEnd();
    clock += 3_600_000;
    await keeper.tick();
    limited = false;
    await drive(keeper, async () => {
      toVendorsEnd();
      return (await statusOf()) !== 'running';
    });
    const done = await generations();
    expect(done.map(({ status }) => status)).toEqual(['succeeded', 'failed', 'succeeded']);
    expect(done[1]?.error).toMatchObject({ code: 'invalid_request', retryable: false });
    const calls = (await ledgerRows()).map(({ callNumber, status, errorCode }) => [callNumber, status, errorCode]);
    expect(calls.map(String).toSorted()).toEqual(
      [
        [1, 'failed', 'invalid_request'],
        [1, 'failed', 'rate_limited'],
        [1, 'succeeded', undefined],
        [2, 'succeeded', undefined],
      ].map(String),
    );
  });

  test('what a batch had done before it failed is taken over; the rest fails as it did', async () => {
    // The others' have not begun when they fail.
    if (kind !== 'google' && kind !== 'mistral') return;
    await storeBatch(4);
    server.fateOf = (id, body) => (id.endsWith('i3') ? 'unmentioned' : answered(id, body));
    // A line of what was done is not there.
    server.tamper = (lines) => lines.filter((line) => !line.includes('prompt 2'));
    const keeper = startKeeper();
    await drive(keeper, async () => {
      for (const batch of server.batches) batch.begun = true;
      toVendorsEnd('failed');
      return (await statusOf()) !== 'running';
    });
    const done = await generations();
    expect(done.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'failed', 'failed']);
    expect(done[3]?.error).toEqual(done[2]?.error);
    const rows = (await ledgerRows()).filter(({ callNumber }) => callNumber === 1);
    // Which of the two that line was of, nobody can tell.
    expect(rows.map(({ status }) => status).toSorted()).toEqual([
      'outcome_unknown',
      'outcome_unknown',
      'succeeded',
      'succeeded',
    ]);
    expect(await cost()).toBe(rows.reduce((sum, { costNanoUsd }) => sum + (costNanoUsd ?? 0), 0));
    expect(server.files.size).toBe(0);
  });

  test('a batch that fails as a whole leaves nothing of what was asked at the vendor', async () => {
    // Anthropic's never do.
    if (kind === 'anthropic') return;
    await storeBatch(2);
    const keeper = startKeeper();
    await drive(keeper, async () => {
      toVendorsEnd('failed');
      return (await statusOf()) !== 'running';
    });
    expect((await generations()).map(({ status }) => status)).toEqual(['failed', 'failed']);
    expect(server.files.size).toBe(0);
  });

  test('cancelling reaches the vendor; what was done is kept, and paid for', async () => {
    await storeBatch(4);
    server.fateOf = (id, body) => (id.endsWith('i0') ? answered(id, body) : 'cancelled');
    const keeper = startKeeper();
    await keeper.tick();
    server.end('running');
    await database.batches.setStatus(batchId(), ['running'], 'cancelled');
    // At once, however long it is until the next look.
    await keeper.tick();
    expect(server.batches[0]?.state).toBe('ending');
    server.end('cancelled');
    clock += 3_600_000;
    await keeper.tick();
    const done = await generations();
    // Gemini gives nothing of a batch that was cancelled.
    const kept = kind === 'google' ? 'cancelled' : 'succeeded';
    expect(done.map(({ status }) => status)).toEqual([kept, 'cancelled', 'cancelled', 'cancelled']);
    expect(await ledgerRows()).toHaveLength(kind === 'google' ? 0 : 1);
    expect((await database.batches.find(batchId()))?.endedAt).toBeDefined();
  });

  /** Of the environment, until the test has ended. */
  function takeKeyOut(): void {
    const [variable, address] = [`${kind.toUpperCase()}_API_KEY`, `${kind.toUpperCase()}_BASE_URL`];
    const base = kind === 'openai' ? `${server.url}/v1` : server.url;
    onTestFinished(() => {
      worker.providers.setStored([]);
      worker.providers.configure({ [variable]: 'sk-test', [address]: base });
    });
    worker.providers.configure({ [address]: base });
  }

  /** In place of the environment's, which is taken out. */
  function renameKey(...others: string[]): void {
    takeKeyOut();
    worker.providers.setStored(
      ['again', ...others].map((label) => ({
        id: `key_${label}`,
        provider: kind,
        label,
        fingerprint: `…${label}`,
        secret: label === 'again' ? 'sk-test' : `sk-${label}`,
      })),
    );
  }

  test.each([
    ['was submitted with it', false],
    ['may have been submitted with it', true],
  ])('a key that was removed and added again under another name goes on with what %s', async (_name, lost) => {
    await storeBatch(4);
    server.losesAnswer = lost;
    const keeper = startKeeper();
    await keeper.tick();
    // The vendor goes by the time of day.
    for (const batch of server.batches) batch.createdAt = clock;
    renameKey();
    if (lost) clock += 3_600_000;
    await keeper.tick();
    toVendorsEnd();
    await drive(keeper);
    expect((await generations()).map(({ status }) => status)).toEqual(Array.from({ length: 4 }, () => 'succeeded'));
    expect(createsSince()).toBe(1);
    expect(server.batches.length).toBeLessThanOrEqual(1);
    expect(await ledgerRows()).toHaveLength(4);
  });

  test('functions that the model asks for come back with the answer', async () => {
    await storeBatch(1);
    server.fateOf = () => ({ answer: whole.toolCall('look_up', { city: 'Rome' }) });
    const keeper = startKeeper();
    await keeper.tick();
    toVendorsEnd();
    await drive(keeper);
    const calls = [{ name: 'look_up', arguments: { city: 'Rome' } }];
    expect(await generations()).toMatchObject([{ status: 'succeeded', toolCalls: calls }]);
  });

  test('a prompt that no vendor can be asked costs the others nothing', async () => {
    await storeBatch([
      toItem(0),
      { id: 'empty', messages: [{ role: 'user', content: [{ type: 'text', text: ' \n' }] }] },
      toItem(2),
    ]);
    const keeper = startKeeper();
    await drive(keeper, async () => {
      toVendorsEnd();
      return (await statusOf()) !== 'running';
    });
    const done = await generations();
    expect(done.map(({ status }) => status)).toEqual(['succeeded', 'failed', 'succeeded']);
    expect(done[1]?.error?.code).toBe('invalid_request');
    expect(await ledgerRows()).toHaveLength(2);
  });

  test('a bad key fails what was submitted with it, and says so', async () => {
    await storeBatch(2);
    const wire = { error: { message: 'bad key', type: 'authentication_error', code: 'invalid_api_key' } };
    server.refuse = () => ({ status: 401, body: wire });
    const keeper = startKeeper();
    await drive(keeper);
    expect((await generations()).map(({ error }) => error?.code)).toEqual(['authentication', 'authentication']);
    expect(await ledgerRows()).toEqual([]);
  });

  test('a vendor that does not tell which batches it has is not asked for ever; what was sent may be billed', async () => {
    await storeBatch(2);
    server.losesAnswer = true;
    const keeper = startKeeper();
    await keeper.tick();
    expect(server.batches).toHaveLength(1);
    const error = { type: 'not_found_error', message: 'no such page', code: 'not_found', status: 'NOT_FOUND' };
    server.refuse = (method) => (method === 'GET' ? { status: 404, body: { type: 'error', error } } : undefined);
    await drive(keeper);
    expect(server.batches).toHaveLength(1);
    expect((await generations()).map((one) => [one.status, one.error?.code])).toEqual(
      Array(2).fill(['failed', 'outcome_unknown']),
    );
    expect((await ledgerRows()).map(({ status, costNanoUsd }) => [status, costNanoUsd])).toEqual(
      Array(2).fill(['outcome_unknown', null]),
    );
  });

  // What follows has nothing to do with the vendor.
  if (kind !== 'openai') return;

  /** Budgets that concern every batch and have room for all. */
  const roomy: NonNullable<Parameters<typeof startKeeper>[1]> = {
    concern: () => true,
    plan: (_batch, payload) => payload,
    reserve: async (_batch, payloads) => ({ reserved: [...payloads] }),
    release: async () => undefined,
    releaseLost: async () => undefined,
    charge: async () => undefined,
    settle: async () => undefined,
  };

  test('a generation costs what all its rounds did, whether the last one answers, does not, or never comes', async () => {
    const schema = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
    const settings = { responseFormat: { type: 'json_schema' as const, schema } };
    await storeBatch([0, 1, 2].map((number) => ({ ...toItem(number), settings })));
    let round = 0;
    // The first fits in the second round, the second never does, the third is not done any more.
    server.fateOf = (_id, body) => {
      const asked = /prompt \d/.exec(JSON.stringify(body))?.[0];
      if (asked === 'prompt 2' && round > 1) return 'expired';
      return { answer: whole.text(asked === 'prompt 0' && round > 1 ? '{"city":"Rome"}' : 'Rome', counts) };
    };
    const keeper = startKeeper();
    await drive(keeper, async () => {
      round = server.batches.length;
      toVendorsEnd();
      return (await statusOf()) !== 'running';
    });
    const done = await generations();
    expect(done.map(({ status }) => status)).toEqual(['succeeded', 'failed', 'failed']);
    const rows = await ledgerRows();
    const sum = (some: LedgerRow[]) => some.reduce((total, { costNanoUsd }) => total + (costNanoUsd ?? 0), 0);
    const calls = done.map(({ requestId }) => rows.filter((row) => row.requestId === requestId));
    expect(calls.map(({ length }) => length)).toEqual([2, 3, 1]);
    expect(done.map(({ costNanoUsd }) => costNanoUsd)).toEqual(calls.map(sum));
    expect(await cost()).toBe(sum(rows));
    expect(sum(rows)).toBeGreaterThan(0);
  });

  test('calls are numbered as they were made, whichever rounds made none: reports count a request at its first', async () => {
    await storeBatch(2);
    const limited: Fate = { status: 429, body: { error: { message: 'no', code: 'some_error' } } };
    const rounds = [
      ['expired', limited],
      [limited, 'expired'],
    ] as const;
    let round = -1;
    server.fateOf = (id, body) => rounds[round]?.[id.endsWith('i0') ? 0 : 1] ?? answered(id, body);
    const keeper = startKeeper();
    await drive(keeper, async () => {
      for (const batch of server.batches) if (batch.state === 'validating') round += 1;
      toVendorsEnd('expired');
      return (await statusOf()) !== 'running';
    });
    expect((await ledgerRows()).map(({ callNumber, status }) => [callNumber, status])).toEqual([
      [1, 'failed'],
      [2, 'succeeded'],
      [1, 'failed'],
      [2, 'succeeded'],
    ]);
  });

  test('two workers share the work, and nothing is asked twice', async () => {
    await storeBatch(40);
    const [one, two] = [startKeeper({ maxRequests: 7 }), startKeeper({ maxRequests: 7 })];
    await Promise.all([one.tick(), two.tick()]);
    await Promise.all([one.tick(), two.tick()]);
    const asked = server.batches.flatMap(({ requests }) => requests.map(({ body }) => JSON.stringify(body)));
    expect(asked).toHaveLength(40);
    expect(new Set(asked).size).toBe(40);
    toVendorsEnd();
    clock += 3_600_000;
    await Promise.all([one.tick(), two.tick()]);
    await drive(one);
    expect(await ledgerRows()).toHaveLength(40);
  });

  test('a generation that was taken by a worker which then died is asked after all', async () => {
    await storeBatch(3);
    const [column] = await database.batches.columns(batchId());
    if (column === undefined) throw new Error('no column');
    const options = { limit: 2, maxBytes: 1e9, createId: () => `gen_${(requests += 1)}`, at: clock };
    await database.batches.take(batchId(), column, options);
    clock += 3_600_000;
    const keeper = startKeeper();
    await drive(keeper, async () => {
      toVendorsEnd();
      return (await statusOf()) !== 'running';
    });
    expect((await generations()).map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded']);
  });

  test('those that a crash left are looked for a page at a time, however many stand in a submission before them', async () => {
    await storeBatch(2_300);
    const [column] = await database.batches.columns(batchId());
    if (column === undefined) throw new Error('no column');
    const options = { limit: 2_300, maxBytes: 1e9, createId: () => `gen_${(requests += 1)}`, at: clock };
    const { taken } = await database.batches.take(batchId(), column, options);
    await database.batchSubmissions.create({
      id: `sub${(submissions += 1)}`,
      batchId: batchId(),
      column: 0,
      provider: kind,
      model: models[kind],
      round: 1,
      requests: taken.slice(0, 2_200).map(({ item, requestId }) => ({ item, requestId, calls: 0 })),
      createdAt: clock,
      nextAt: Number.MAX_SAFE_INTEGER,
    });
    clock += 3_600_000;
    const limits: number[] = [];
    const { batches } = database;
    const keeper = startKeeper({}, undefined, {
      ...database,
      batches: {
        ...batches,
        listQueued(id, query) {
          limits.push(query.limit);
          return batches.listQueued(id, query);
        },
      },
    });
    await keeper.tick();
    expect(Math.max(...limits)).toBeLessThanOrEqual(1_000);
    expect(server.batches.map(({ requests: asked }) => asked.length)).toEqual([100]);
  });

  test('a vendor that is away is tried again until it is back', async () => {
    await storeBatch(2);
    server.refuse = () => ({ status: 503, body: { error: { message: 'busy', code: 'overloaded' } } });
    const keeper = startKeeper();
    for (let hours = 0; hours < 4; hours += 1) {
      await keeper.tick();
      clock += 3_600_000;
    }
    expect(await statusOf()).toBe('running');
    server.refuse = undefined;
    await drive(keeper, async () => {
      toVendorsEnd();
      return (await statusOf()) !== 'running';
    });
    expect((await generations()).map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
  });

  /** OpenAI looks at new batches, the oldest first: it takes what it has room for, in requests, and is done with what it took before. */
  function lookAtNew(room: number): void {
    for (const batch of server.batches) if (batch.state === 'running') batch.state = 'ended';
    let left = room;
    for (const batch of server.batches.toReversed().filter(({ state }) => state === 'validating')) {
      const fits = batch.requests.length <= left;
      Object.assign(batch, fits ? { state: 'running' } : { state: 'failed', failure: noRoom });
      if (fits) left -= batch.requests.length;
    }
  }

  test('what a vendor has no room for is asked when others are done, in halves where it is too large; no round counts', async () => {
    await storeBatch(10);
    const keeper = startKeeper({ maxRequests: 5 });
    await drive(keeper, async () => {
      lookAtNew(3);
      return (await statusOf()) !== 'running';
    });
    const done = await generations();
    expect(done.map(({ status, text }) => [status, text])).toEqual(
      done.map((_, item) => ['succeeded', `answer to prompt ${item}`]),
    );
    const rows = await ledgerRows();
    expect(rows.map(({ callNumber, status }) => `${callNumber} ${status}`)).toEqual(Array(10).fill('1 succeeded'));
    expect(await cost()).toBe(rows.reduce((sum, { costNanoUsd }) => sum + (costNanoUsd ?? 0), 0));
    const answered = server.batches.filter(({ state }) => state === 'ended').flatMap((batch) => batch.requests);
    expect(answered).toHaveLength(10);
    expect(server.files.size).toBe(0);
  });

  test('a worker that dies while it halves a batch leaves nothing that is asked twice', async () => {
    await storeBatch(4);
    const { batchSubmissions } = database;
    const dying = startKeeper({}, undefined, {
      ...database,
      batchSubmissions: {
        ...batchSubmissions,
        change: (id, owner, change) =>
          change.status === 'ended' ? Promise.reject(new Error('killed')) : batchSubmissions.change(id, owner, change),
      },
    });
    await dying.tick();
    lookAtNew(3);
    clock += 3_600_000;
    await expect(dying.tick()).rejects.toThrow('killed');
    const keeper = startKeeper();
    await drive(keeper, async () => {
      lookAtNew(100);
      return (await statusOf()) !== 'running';
    });
    expect((await generations()).map(({ status }) => status)).toEqual(Array(4).fill('succeeded'));
    // Whole once, then each half.
    expect(server.batches.map(({ requests: asked }) => asked.length).toSorted((a, b) => a - b)).toEqual([2, 2, 4]);
    expect(await ledgerRows()).toHaveLength(4);
  });

  test('what a submission may weigh is that of its requests, with all that their column brings', async () => {
    await storeBatch(10, {}, { system: 'x'.repeat(3_000) });
    const keeper = startKeeper({ maxBytes: 10_000 });
    await drive(keeper, async () => {
      toVendorsEnd();
      return (await statusOf()) !== 'running';
    });
    expect((await generations()).map(({ status }) => status)).toEqual(Array(10).fill('succeeded'));
    const sizes = server.batches.map(({ requests: asked }) => JSON.stringify(asked.map(({ body }) => body)).length);
    expect(Math.max(...sizes)).toBeLessThan(10_000);
    expect(sizes).toHaveLength(5);
  });

  test('what is asked again and weighs more than a submission may goes out in halves, and keeps what it was', async () => {
    await storeBatch(4, {}, { system: 'x'.repeat(3_000) });
    const limited: Fate = { status: 429, body: { error: { message: 'no', code: 'some_error' } } };
    server.fateOf = () => limited;
    const first = startKeeper();
    await first.tick();
    toVendorsEnd();
    clock += 3_600_000;
    await first.tick();
    await first.close();
    server.fateOf = answered;
    await drive(startKeeper({ maxBytes: 10_000 }), async () => {
      toVendorsEnd();
      return (await statusOf()) !== 'running';
    });
    expect((await ledgerRows()).map(({ callNumber, status }) => `${callNumber} ${status}`)).toEqual(
      Array(4).fill(['1 failed', '2 succeeded']).flat(),
    );
    expect(server.batches.map(({ requests: asked }) => asked.length)).toEqual([2, 2, 4]);
  });

  test('a batch for a provider that is in the configuration no more pauses and says so; one that has nothing left there goes on', async () => {
    await storeBatch(1);
    const gone = toColumn(1, { provider: 'gone', lane: 'provider_batch' });
    await database.batches.addColumns(batchId(), [gone], null);
    const keeper = startKeeper();
    await keeper.tick();
    const paused = await database.batches.find(batchId());
    expect(paused).toMatchObject({
      status: 'paused',
      pausedBecause: 'The provider gone is not in the configuration any more.',
    });
    const take = { limit: 1, maxBytes: 1e9, createId: () => `gen_${(requests += 1)}`, at: clock };
    await database.batches.setStatus(batchId(), ['paused'], 'running');
    const column = (await database.batches.columns(batchId())).find(({ number }) => number === 1);
    if (column === undefined) throw new Error('it was added');
    const { taken } = await database.batches.take(batchId(), column, take);
    await database.batches.record(
      taken.map(({ item, requestId }) => ({
        batchId: batchId(),
        column: 1,
        item,
        requestId,
        status: 'failed' as const,
        costNanoUsd: 0,
        endedAt: clock,
      })),
    );
    await drive(keeper, async () => {
      toVendorsEnd();
      return (await statusOf()) !== 'running';
    });
    expect((await generations()).map(({ status }) => status)).toEqual(['succeeded', 'failed']);
  });

  test('a prompt that a vendor has no room for by itself fails in the end', async () => {
    await storeBatch(3);
    await drive(startKeeper(), async () => {
      lookAtNew(0);
      return (await statusOf()) !== 'running';
    });
    expect((await generations()).map(({ error }) => error?.code)).toEqual(Array(3).fill('rate_limited'));
    expect(await ledgerRows()).toEqual([]);
  });

  test('a cancelled batch that waits for its vendor’s room ends at once', async () => {
    await storeBatch(2);
    server.refuse = (method, path) =>
      method === 'POST' && isCreate(path)
        ? { status: 429, body: { error: { message: 'slow' } }, headers: { 'retry-after': '3000' } }
        : undefined;
    const keeper = startKeeper();
    await keeper.tick();
    expect(createsSince()).toBe(1);
    expect(await database.batchSubmissions.findProblem(batchId())).toMatchObject({ code: 'rate_limited' });
    await database.batches.setStatus(batchId(), ['running'], 'cancelled');
    await keeper.tick();
    expect(await database.batchSubmissions.findProblem(batchId())).toBeUndefined();
    expect((await generations()).map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
    expect(createsSince()).toBe(1);
  });

  test.each([
    ['the vendor has', false],
    ['the vendor may have', true],
  ])('a cancelled batch that %s may be billed where its key is gone, and the ledger says so', async (_name, lost) => {
    await storeBatch(2);
    server.losesAnswer = lost;
    const keeper = startKeeper();
    await keeper.tick();
    takeKeyOut();
    await database.batches.setStatus(batchId(), ['running'], 'cancelled');
    clock += 3_600_000;
    await keeper.tick();
    expect((await generations()).map(({ status, costNanoUsd }) => [status, costNanoUsd])).toEqual(
      Array(2).fill(['cancelled', null]),
    );
    expect((await ledgerRows()).map(({ status, costNanoUsd }) => [status, costNanoUsd])).toEqual(
      Array(2).fill(['outcome_unknown', null]),
    );
    expect((await database.batches.find(batchId()))?.endedAt).toBeDefined();
  });

  test('what was cut off while its key got another name is sent once every key there is has been asked for it', async () => {
    await storeBatch(2);
    server.refuse = (method, path) =>
      method === 'POST' && isCreate(path) ? { status: 503, body: { error: { message: 'busy' } } } : undefined;
    const keeper = startKeeper();
    await keeper.tick();
    renameKey('other');
    // One of them cannot be asked yet.
    server.refuse = (_method, _path, { authorization }) =>
      authorization === 'Bearer sk-other' ? { status: 500, body: { error: { message: 'oops' } } } : undefined;
    clock += 3_600_000;
    await keeper.tick();
    expect(createsSince()).toBe(1);
    server.refuse = undefined;
    await drive(keeper, async () => {
      toVendorsEnd();
      return (await statusOf()) !== 'running';
    });
    expect(createsSince()).toBe(2);
    expect((await generations()).map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
  });

  test('a cancelled batch is cancelled at its vendor by its key’s other name, though that cannot be asked at once', async () => {
    await storeBatch(2);
    const keeper = startKeeper();
    await keeper.tick();
    server.end('running');
    renameKey();
    server.refuse = () => ({ status: 500, body: { error: { message: 'oops' } } });
    await database.batches.setStatus(batchId(), ['running'], 'cancelled');
    await keeper.tick();
    server.refuse = undefined;
    clock += 3_600_000;
    await keeper.tick();
    expect(server.batches[0]?.state).toBe('ending');
    toVendorsEnd();
    await drive(keeper, async () => (await database.batches.find(batchId()))?.endedAt !== undefined);
    expect((await generations()).map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
  });

  test('a cancelled batch whose end fails is tried again at its time, and not over and over', async () => {
    await storeBatch(2);
    server.refuse = (method, path) =>
      method === 'POST' && isCreate(path)
        ? { status: 429, body: { error: { message: 'slow' } }, headers: { 'retry-after': '3000' } }
        : undefined;
    let settled = 0;
    let isAway = true;
    const keeper: ProviderBatchKeeper = startKeeper(
      {},
      {
        ...roomy,
        settle: async () => {
          settled += 1;
          if (settled > 5) void keeper.close();
          if (isAway) throw new Error('Redis is away');
        },
      },
    );
    await keeper.tick();
    await database.batches.setStatus(batchId(), ['running'], 'cancelled');
    await keeper.tick();
    await keeper.tick();
    expect(settled).toBe(1);
    isAway = false;
    clock += 3_600_000;
    await keeper.tick();
    expect((await generations()).map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
  });

  test('a vendor that refuses without a word of why is believed', async () => {
    await storeBatch(2);
    server.refuse = (method, path) =>
      method === 'POST' && isCreate(path) ? { status: 422, body: { detail: 'no' } } : undefined;
    await drive(startKeeper());
    expect((await generations()).map(({ error }) => error?.code)).toEqual(['invalid_request', 'invalid_request']);
    expect(createsSince()).toBe(1);
    expect(server.files.size).toBe(0);
  });

  test.each([500, 503])('a vendor that answers every submission with %i is left alone in the end', async (status) => {
    await storeBatch(2);
    server.refuse = (method, path) =>
      method === 'POST' && isCreate(path) ? { status, body: { error: { message: 'oops' } } } : undefined;
    const from = clock;
    await drive(startKeeper({ longestPollMs: 6 * 3_600_000 }));
    expect(await statusOf()).toBe('completed');
    const code = status === 503 ? 'overloaded' : 'server_error';
    expect((await generations()).map(({ error }) => error?.code)).toEqual([code, code]);
    // As often as twice the 24 hours of a batch hold six.
    expect(createsSince()).toBe(8);
    expect(clock - from).toBeGreaterThanOrEqual(8 * 3_600_000);
    expect(await ledgerRows()).toEqual([]);
  });

  /** Lets two days and a half pass, as a closed laptop does. */
  const sleep = () => void (clock += 64 * 3_600_000);
  const isGet = (method: string) => method === 'GET';
  const isResults = (path: string) => path.endsWith('/content');

  test.each([
    ['asked after', false],
    ['looked for', true],
  ])(
    'a batch that is %s long after its time is taken over, though the vendor does not answer at once',
    async (_name, lost) => {
      await storeBatch(3);
      server.losesAnswer = lost;
      const keeper = startKeeper();
      await keeper.tick();
      toVendorsEnd();
      sleep();
      let refusals = 0;
      server.refuse = (method) => {
        if (!isGet(method)) return undefined;
        server.refuse = undefined;
        refusals += 1;
        return { status: 503, body: { error: { message: 'busy' } } };
      };
      await drive(keeper);
      expect(refusals).toBe(1);
      expect(createsSince()).toBe(1);
      expect((await generations()).map(({ status }) => status)).toEqual(Array(3).fill('succeeded'));
      expect((await ledgerRows()).map(({ status }) => status)).toEqual(Array(3).fill('succeeded'));
    },
  );

  test.each([
    ['asked after', false, 500],
    ['asked after, and refused,', false, 404],
    ['looked for', true, 500],
  ])(
    'a batch that is %s in vain for days is given up: nothing is sent again, and what the vendor has stays there',
    async (_name, lost, status) => {
      await storeBatch(2);
      server.losesAnswer = lost;
      const keeper = startKeeper({ longestPollMs: 6 * 3_600_000, maxFinds: 3 });
      await keeper.tick();
      const kept = server.files.size;
      toVendorsEnd();
      sleep();
      let asked = 0;
      server.refuse = (method) => {
        if (!isGet(method)) return undefined;
        asked += 1;
        return { status, body: { error: { message: 'oops' } } };
      };
      await drive(keeper);
      // As often as twice the 24 hours of a batch hold six.
      expect(asked).toBe(8);
      expect(createsSince()).toBe(1);
      expect(server.batches).toHaveLength(1);
      expect(server.files.size).toBe(kept);
      expect((await generations()).map((one) => [one.status, one.error?.code, one.costNanoUsd])).toEqual(
        Array(2).fill(['failed', 'outcome_unknown', null]),
      );
      expect((await ledgerRows()).map(({ status }) => status)).toEqual(Array(2).fill('outcome_unknown'));
    },
  );

  test('a vendor that says what became of a batch was heard, whatever keeps its answers from being taken over', async () => {
    await storeBatch(2);
    const keeper = startKeeper({ longestPollMs: 6 * 3_600_000 });
    await keeper.tick();
    toVendorsEnd();
    sleep();
    const refusing = (isRefused: (path: string) => boolean) => {
      server.refuse = (method, path) =>
        isGet(method) && isRefused(path) ? { status: 500, body: { error: { message: 'oops' } } } : undefined;
    };
    const tickFor = async (hours: number) => {
      for (let hour = 0; hour < hours; hour += 1) {
        await keeper.tick();
        clock += 3_600_000;
      }
    };
    refusing((path) => !isResults(path));
    await tickFor(7);
    refusing(isResults);
    await tickFor(40);
    refusing((path) => !isResults(path));
    await tickFor(8);
    server.refuse = undefined;
    await drive(keeper);
    expect((await generations()).map(({ status }) => status)).toEqual(['succeeded', 'succeeded']);
    expect(createsSince()).toBe(1);
  });

  test('a key that the vendor refuses is waited for, until the batch is cancelled: what was asked with it may be there', async () => {
    await storeBatch(2);
    const keeper = startKeeper({ longestPollMs: 6 * 3_600_000 });
    await keeper.tick();
    toVendorsEnd();
    server.refuse = () => ({ status: 401, body: { error: { message: 'bad key', code: 'invalid_api_key' } } });
    for (let hours = 0; hours < 100; hours += 1) {
      await keeper.tick();
      clock += 3_600_000;
    }
    expect(await statusOf()).toBe('running');
    expect(await database.batchSubmissions.findProblem(batchId())).toMatchObject({ code: 'authentication' });
    await database.batches.setStatus(batchId(), ['running'], 'cancelled');
    await drive(keeper, async () => (await database.batches.find(batchId()))?.endedAt !== undefined);
    expect((await generations()).map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
    expect((await ledgerRows()).map(({ status }) => status)).toEqual(Array(2).fill('outcome_unknown'));
  });

  test('never more is submitted than the batch may cost; then it pauses, and says why', async () => {
    await storeBatch(10, {}, { maxCostNanoUsd: 3_500, expectedNanoUsd: 1_000 });
    const keepers = [startKeeper({ maxRequests: 2 }), startKeeper({ maxRequests: 2 })];
    await Promise.all(keepers.map((keeper) => keeper.tick()));
    expect(server.batches.flatMap(({ requests: own }) => own)).toHaveLength(3);
    toVendorsEnd();
    const [keeper] = keepers;
    if (keeper === undefined) throw new Error('no keeper');
    await drive(keeper);
    expect(await statusOf()).toBe('paused');
    expect((await database.batches.find(batchId()))?.pausedBecause).toMatch(/may cost \$0\.0000035 at most/);
    expect(await ledgerRows()).toHaveLength(3);
  });

  test('a batch that waits for its budget says so once in the log, and again once it has gone on', async () => {
    const info = vi.spyOn(worker.logger, 'info');
    onTestFinished(() => info.mockRestore());
    const pauses = () => info.mock.calls.filter(([, message]) => String(message) === 'A batch was paused').length;
    await storeBatch(2);
    let room = 0;
    const keeper = startKeeper(
      {},
      {
        ...roomy,
        reserve: async (_batch, payloads) => {
          const reserved = payloads.slice(0, room);
          room -= reserved.length;
          const refusal = { because: 'The budget is used up.', renewsAt: 1e15 };
          return { reserved, ...(reserved.length < payloads.length && { refusal }) };
        },
      },
    );
    const waitFor = async (minutes: number) => {
      for (let minute = 0; minute < minutes; minute += 1) {
        await keeper.tick();
        clock += 60_000;
        await database.batches.resumeDue(batchId(), clock);
      }
    };
    await waitFor(3);
    expect(pauses()).toBe(1);
    room = 1;
    await waitFor(1);
    expect(server.batches).toHaveLength(1);
    toVendorsEnd();
    clock += 3_600_000;
    await waitFor(3);
    expect(pauses()).toBe(2);
    room = 1;
    await drive(keeper, async () => {
      toVendorsEnd();
      return (await statusOf()) === 'completed';
    });
  });

  test('a batch that cannot be read pauses and says why; those beside it are submitted, and what was is collected', async () => {
    const [goodId, oddId] = [batchId(), `${batchId()}-odd`];
    await storeBatch(2);
    const keeper = startKeeper();
    await keeper.tick();
    toVendorsEnd();
    const column = toColumn(0, { provider: kind, model: models[kind], lane: 'provider_batch' });
    await database.batches.create({ id: oddId, client: 'tests', spec: plainSpec }, [column]);
    await database.batches.addItems(oddId, 0, [toItem(0)]);
    await database.batches.start(oddId, { items: 1, estimatedNanoUsd: null }, new Map());
    onTestFinished(() => database.batches.remove(oddId));
    const { batches } = database;
    const failing = (how: Partial<Database['batches']>) => ({ ...database, batches: { ...batches, ...how } });

    // It goes first.
    const oddFirst = failing({
      listLive: async (time) => (await batches.listLive(time)).toReversed(),
      take: async (id, ...given) => {
        if (id === oddId) throw new UnreadableError('Its item', 'it is of tomorrow');
        return batches.take(id, ...given);
      },
    });
    await database.batches.addColumns(goodId, [{ ...column, number: 1, model: `${column.model}-2` }], null);
    await startKeeper({}, undefined, oddFirst).tick();
    expect(server.batches).toHaveLength(2);
    expect(await database.batches.find(oddId)).toMatchObject({
      status: 'paused',
      pausedBecause: expect.stringContaining('Its item cannot be read: it is of tomorrow.'),
    });

    // Whatever else keeps new ones from being prepared.
    toVendorsEnd();
    clock += 3_600_000;
    const away = startKeeper({}, undefined, failing({ listLive: () => Promise.reject(new Error('not now')) }));
    await expect(away.tick()).rejects.toThrow('not now');
    expect(await statusOf()).toBe('completed');
    expect((await generations()).map(({ status }) => status)).toEqual(Array(4).fill('succeeded'));
  });

  /** Budgets of a month in a Redis of their own, which goes by the time of day: it was taken 60 hours ago, and may be asked a third time. */
  async function openBudgets() {
    clock = Date.now() - 60 * 3_600_000;
    const fixture = await createQueueFixture();
    onTestFinished(() => fixture.close());
    const redis = fixture.redis.client();
    return (name: string, limitUsd: number) => {
      const given = { name, limitUsd, period: 'month' };
      const configDir = createConfigWith({ providers: { budgets: [given] } });
      const { catalog } = loadCatalog({ configDir, env: {}, now: () => clock });
      const [budget] = catalog.budgets;
      if (budget === undefined) throw new Error('no budget');
      const { key, keepUntil } = toCounter(budget, clock);
      const budgets = createBatchBudgets({
        budgets: fixture.front.budgets,
        catalog,
        database: () => Promise.resolve(database),
        now: () => clock,
      });
      const spentByLedger = () => {
        const { startsAt: from, renewsAt: to } = toPeriodOf(budget, keepUntil);
        return database.ledger.sumCosts({ from, to });
      };
      const read = async (seedNanoUsd = 0) => {
        const found = await fixture.front.budgets.reserve([
          { key, keepUntil, limitNanoUsd: 1, seedNanoUsd, holds: [] },
        ]);
        return found.state === 'held' ? found.counts[0] : undefined;
      };
      /** As every hour. */
      const compare = async () => {
        const [counter = ''] = (await redis.keys(`*${key}*`)).filter((found) => !found.endsWith(':holds'));
        await redis.hset(counter, 'seeded', Date.now() - 1);
        return read(await spentByLedger());
      };
      return { budgets, read, compare, spentByLedger };
    };
  }

  test('what a round cost counts for budgets as soon as the ledger has it, and once', async () => {
    const { budgets, read, compare, spentByLedger } = (await openBudgets())('rounds', 1_000);
    const settings = { responseFormat: { type: 'json_schema' as const, schema: { type: 'object' } } };
    await storeBatch([0, 1].map((number) => ({ ...toItem(number), settings })));
    let text = 'Rome';
    server.fateOf = (id) => ({ answer: whole.text(id.endsWith('i0') ? '{}' : text, counts) });
    const keeper = startKeeper({}, budgets);
    await keeper.tick();
    const before = await read();
    toVendorsEnd();
    clock += 3_600_000;
    await keeper.tick();
    expect((await generations()).map(({ status }) => status)).toEqual(['succeeded', 'queued']);
    const between = await spentByLedger();
    expect(between).toBeGreaterThan(before?.spentNanoUsd ?? 0);
    expect(await read()).toEqual({ spentNanoUsd: between, heldNanoUsd: (before?.heldNanoUsd ?? 0) / 2 });
    expect(await compare()).toEqual(await read());
    text = '{}';
    await drive(keeper, async () => {
      toVendorsEnd();
      return (await statusOf()) === 'completed';
    });
    expect(await read()).toEqual({ spentNanoUsd: await spentByLedger(), heldNanoUsd: 0 });
    expect((await compare())?.spentNanoUsd).toBe((before?.spentNanoUsd ?? 0) + ((await cost()) ?? 0));
  });

  test('what is submitted is held of budgets for as long as a vendor may take, and what it cost is spent; without room nothing is submitted', async () => {
    const withBudget = await openBudgets();
    const large = withBudget('large', 1_000);
    await storeBatch(5);
    const keeper = startKeeper({}, large.budgets);
    await keeper.tick();
    const before = await large.read();
    expect(before?.heldNanoUsd).toBeGreaterThan(0);
    toVendorsEnd();
    clock += 3_600_000;
    await keeper.tick();
    expect(await statusOf()).toBe('completed');
    expect(await large.read()).toEqual({
      heldNanoUsd: 0,
      spentNanoUsd: (before?.spentNanoUsd ?? 0) + ((await cost()) ?? 0),
    });
    expect(await cost()).toBeGreaterThan(0);

    await database.batches.remove(batchId());
    const submitted = server.batches.length;
    const small = withBudget('small', 0.000_001);
    await storeBatch(2);
    await startKeeper({}, small.budgets).tick();
    expect(server.batches).toHaveLength(submitted);
    expect(await statusOf()).toBe('paused');
    expect((await database.batches.find(batchId()))?.pausedBecause).toContain('The budget "small"');
    expect((await small.read())?.heldNanoUsd).toBe(0);
    expect((await generations()).map(({ status }) => status)).toEqual(['waiting', 'waiting']);
  });
});
