import type { ComparisonResult } from '@aimm/contracts';
import type {
  Accepted,
  AskOptions,
  CompareAsk,
  GenerateAsk,
  GenerationAnswer,
  Manager,
  ProgressEvent,
} from '@aimm/manager';
import {
  batch,
  batchGenerations,
  comparison,
  comparisonId,
  conversation,
  conversationMessages,
  estimates,
  generationId,
  answer,
  health,
  listedJob,
  model,
  preference,
  provider,
  queuedJob,
  totals,
} from './fixtures.ts';

interface Asked<A, T> {
  ask: A;
  options: AskOptions | undefined;
  emit: (event: ProgressEvent) => void;
  succeed: (result: T) => void;
  fail: (error: Error) => void;
}

/** A manager whose requests end when the test says so. */
export interface FakeManager extends Manager {
  /** Every method called with its arguments, without the options. */
  readonly calls: { method: string; args: unknown[] }[];
  /** The next generation, once it is asked. */
  nextGeneration(): Promise<Asked<GenerateAsk, GenerationAnswer>>;
  nextComparison(): Promise<Asked<CompareAsk, ComparisonResult>>;
  partialText: string;
}

export function createFakeManager(overrides: Partial<Manager> = {}): FakeManager {
  const calls: FakeManager['calls'] = [];
  const generations = createChannel<Asked<GenerateAsk, GenerationAnswer>>();
  const comparisons = createChannel<Asked<CompareAsk, ComparisonResult>>();

  const accept = <A, T>(
    channel: { push(item: Asked<A, T>): void },
    ask: A,
    options: AskOptions | undefined,
    rest: Pick<Accepted<T>, 'requestId' | 'models'>,
  ): Promise<Accepted<T>> => {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    channel.push({
      ask,
      options,
      emit: (event) => options?.onProgress?.(event),
      succeed: resolve,
      fail: reject,
    });
    return Promise.resolve({ ...rest, result: promise });
  };
  const record = (method: string, ...args: unknown[]) => void calls.push({ method, args });

  const fake: FakeManager = {
    calls,
    partialText: '',
    nextGeneration: () => generations.next(),
    nextComparison: () => comparisons.next(),
    generate(caller, ask, options) {
      record('generate', caller, ask);
      return accept(generations, ask, options, { requestId: generationId, models: ['openai/gpt-5-mini'] });
    },
    compare(caller, ask, options) {
      record('compare', caller, ask);
      return accept(comparisons, ask, options, { requestId: comparisonId, models: ask.models });
    },
    async getJob(caller, id, options) {
      record('getJob', caller, id, options?.waitMs);
      const { partialText } = fake;
      return partialText === '' ? queuedJob : { ...queuedJob, status: 'running', position: undefined, partialText };
    },
    async cancelJob(caller, id) {
      record('cancelJob', caller, id);
      return { ...queuedJob, status: 'cancelled', position: undefined };
    },
    async startBatch(caller, { items, ...ask }) {
      const read = [];
      for await (const item of items) read.push(item);
      record('startBatch', caller, { ...ask, items: read });
      return batch;
    },
    async getBatch(caller, id) {
      record('getBatch', caller, id);
      return batch;
    },
    async getBatchPaces() {
      return [];
    },
    async listBatches(caller, query) {
      record('listBatches', caller, query);
      return { batches: [] };
    },
    async listBatchGenerations(caller, id, query) {
      record('listBatchGenerations', caller, id, query);
      return { generations: batchGenerations };
    },
    async *batchResults() {
      yield* [];
    },
    async deleteBatch() {},
    async pauseBatch() {
      return batch;
    },
    async resumeBatch() {
      return batch;
    },
    async cancelBatch() {
      return batch;
    },
    async retryBatch() {
      return batch;
    },
    async addBatchModels() {
      return batch;
    },
    async listJobs(caller, query) {
      record('listJobs', caller, query);
      return { jobs: [listedJob], nextCursor: comparisonId };
    },
    async estimateCost(caller, ask) {
      record('estimateCost', caller, ask);
      return estimates;
    },
    async getPreferences(caller) {
      record('getPreferences', caller);
      return { client: caller.client, preferences: [preference] };
    },
    async setPreference(caller, edit) {
      record('setPreference', caller, edit);
      return { change: 'set', name: edit.name, inForce: preference, warnings: [] };
    },
    async completeModel(caller, begun) {
      record('completeModel', caller, begun);
      return ['fast', 'openai/gpt-5-mini'].filter((name) => name.startsWith(begun));
    },
    async listModels(query) {
      record('listModels', query);
      return { models: [model], providers: [provider], problems: [] };
    },
    useEnvironment() {},
    async warmUp() {
      record('warmUp');
    },
    async getModelInfo(caller, name) {
      record('getModelInfo', caller, name);
      return { ...model, warnings: ['Its price may be out of date.'] };
    },
    async usage(caller, query) {
      record('usage', caller, query);
      return { from: query.from, to: query.to, totals, groups: [{ key: `by ${query.groupBy}`, ...totals }] };
    },
    async listConversations(caller, query) {
      record('listConversations', caller, query);
      return { conversations: [{ ...conversation, snippet: 'a **fox** in snow' }], nextCursor: 'bmV4dA' };
    },
    async getConversation(caller, id, page) {
      record('getConversation', caller, id, page);
      return { conversation, messages: conversationMessages, nextCursor: '1' };
    },
    async deleteConversation(caller, id) {
      record('deleteConversation', caller, id);
      return conversation;
    },
    async health(_caller, query) {
      record('health', query);
      return health;
    },
    async listProviders() {
      record('listProviders');
      return [provider];
    },
    isCatalogued: () => true,
    async identify(token) {
      record('identify', token);
      return undefined;
    },
    async close() {
      record('close');
    },
    ...overrides,
  };
  return fake;
}

/** A manager that answers every generation and comparison at once. */
export function createReadyManager(overrides: Partial<Manager> = {}): FakeManager {
  const fake = createFakeManager();
  return Object.assign(fake, {
    async generate(...[caller, ask]: Parameters<Manager['generate']>): ReturnType<Manager['generate']> {
      fake.calls.push({ method: 'generate', args: [caller, ask] });
      return {
        requestId: generationId,
        models: ['openai/gpt-5-mini'],
        result: Promise.resolve(answer),
      };
    },
    async compare(...[caller, ask]: Parameters<Manager['compare']>): ReturnType<Manager['compare']> {
      fake.calls.push({ method: 'compare', args: [caller, ask] });
      return {
        requestId: comparisonId,
        models: ask.models,
        result: Promise.resolve(comparison),
      };
    },
    ...overrides,
  });
}

function createChannel<T>(): { push(item: T): void; next(): Promise<T> } {
  const items: T[] = [];
  const takers: ((item: T) => void)[] = [];
  return {
    push(item) {
      const taker = takers.shift();
      if (taker === undefined) items.push(item);
      else taker(item);
    },
    next() {
      const item = items.shift();
      return item === undefined ? new Promise((resolve) => takers.push(resolve)) : Promise.resolve(item);
    },
  };
}
