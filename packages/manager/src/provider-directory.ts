import type { Catalog } from '@aimm/catalog';
import type { FrontQueue, WorkerPresence } from '@aimm/queue';
import type { ProviderView } from './provider-views.ts';

/** Which providers work, as the workers that are alive report it: a front holds no keys and cannot know by itself. */
export interface ProviderDirectory {
  list(): Promise<ProviderView[]>;
  /** True or false as workers say; undefined while none has reported. `fresh`: as they say now, not a second ago. */
  isConfigured(provider: string, options?: { fresh: boolean }): Promise<boolean | undefined>;
  isDemo(provider: string): Promise<boolean>;
}

const freshForMs = 1_000;

export function createProviderDirectory(
  catalog: Catalog,
  queue: Pick<FrontQueue, 'workers'>,
  now: () => number,
): ProviderDirectory {
  let known: { workers: Promise<WorkerPresence[]>; at: number } | undefined;
  const workers = () => {
    if (known === undefined || Math.abs(now() - known.at) > freshForMs) {
      known = { workers: queue.workers(), at: now() };
      known.workers.catch(() => (known = undefined));
    }
    return known.workers;
  };
  const reports = async (provider: string) =>
    (await workers()).flatMap((worker) => worker.providers.filter(({ id }) => id === provider));
  const isConfigured = async (provider: string, { fresh } = { fresh: false }) => {
    if (fresh) known = undefined;
    const all = await reports(provider);
    return all.length === 0 ? undefined : all.some(({ configured }) => configured);
  };
  const findProblem = async (provider: string) =>
    (await reports(provider)).find(({ configured, problem }) => !configured && problem !== undefined)?.problem;
  const isDemo = async (provider: string) => (await reports(provider)).some(({ demo }) => demo);

  return {
    isConfigured,
    isDemo,
    list: () =>
      Promise.all(
        catalog.providers.map(async (config) => ({
          id: config.id,
          kind: config.kind,
          name: config.name,
          baseUrl: config.baseUrl,
          configured: await isConfigured(config.id),
          problem: await findProblem(config.id),
          demo: await isDemo(config.id),
          concurrency: config.concurrency,
          requestsPerMinute: config.requestsPerMinute,
          tokensPerMinute: config.tokensPerMinute,
          defaultModel: config.defaultModel,
          apiKeyVariables: config.apiKeyVariables,
        })),
      ),
  };
}
