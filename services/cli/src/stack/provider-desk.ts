import type { Catalog } from '@aimm/catalog';
import type { KeyVerdict } from '@aimm/local-stack';
import { type RawEnvironment, type RuntimeEnvironment, toKeyMark } from '@aimm/runtime';
import type { DemoUpstream } from '../demo-upstream/start-demo-upstream.ts';
import { findConfigured, mergeProviderEnvironments, variablesOf } from './provider-environment.ts';

/** Set to 1 it makes a worker label everything as demo. */
const demoMark = 'AIMM_DEMO_ACTIVE';
const batchPoll = 'AIMM_BATCH_POLL_SECONDS';

/** What the workers are given now. */
interface ProviderState {
  /** Every variable of every provider, and the demo's mark; what is not set is empty, so that it overrides an older value. */
  environment: Record<string, string>;
  configured: string[];
  demo: boolean;
}

/** Holds the providers' credentials, in memory only, and decides between them and the demo. */
export interface ProviderDesk {
  state(): ProviderState;
  /** Takes what a client's environment brings; tells whether the workers need a new environment. */
  take(environment: RawEnvironment): Promise<boolean>;
  /** Takes note of the providers that have keys in the database; tells the same. */
  setStored(providers: readonly string[]): Promise<boolean>;
  /** Takes note of what a provider says of a key: for one that is refused another takes its place; tells the same. */
  noteKey(verdict: KeyVerdict): Promise<boolean>;
  /** To be called when the catalog has changed; tells the same. */
  refresh(): Promise<boolean>;
  close(): Promise<void>;
}

/** Starts with the stack's own environment. Demo answers are served where nothing is configured and `AIMM_DEMO` allows it. */
export async function openProviderDesk(options: {
  env: Pick<RuntimeEnvironment, 'AIMM_DEMO'>;
  raw: RawEnvironment;
  /** Asked anew each time: it may change. */
  catalog: Pick<Catalog, 'providers' | 'listModels'>;
  /** Ids of the providers that have keys in the database. */
  stored?: readonly string[];
  findConfigured?: typeof findConfigured;
}): Promise<ProviderDesk> {
  const { env, raw, catalog } = options;
  const find = options.findConfigured ?? findConfigured;
  const sources: RawEnvironment[] = [raw];
  let stored = options.stored ?? [];
  let upstream: DemoUpstream | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const startUpstream = async () => {
    // Loaded only for a demo: it is large.
    const { startDemoUpstream } = await import('../demo-upstream/start-demo-upstream.ts');
    return startDemoUpstream(
      catalog.providers.map((provider) => ({
        id: provider.id,
        kind: provider.kind,
        keyVariable: provider.apiKeyVariables[0],
        baseUrlVariable: provider.baseUrlVariable,
        models: catalog.listModels({ provider: provider.id }),
      })),
    );
  };
  const decide = async (merged: Record<string, string>): Promise<ProviderState> => {
    const { providers } = catalog;
    const unset = Object.fromEntries([...providers.flatMap(variablesOf), demoMark].map((name) => [name, '']));
    const answering = await find(providers, merged);
    const configured = providers.flatMap(({ id }) => (answering.includes(id) || stored.includes(id) ? [id] : []));
    const demo = env.AIMM_DEMO === 'on' || (env.AIMM_DEMO === 'auto' && configured.length === 0);
    if (demo) upstream ??= await startUpstream();
    // The stand-in of a batch API is done at once.
    const polled = { [batchPoll]: raw[batchPoll] ?? (demo ? '2' : '') };
    const environment = { ...unset, ...polled, ...(demo ? upstream?.environment : merged) };
    return { environment, demo, configured: demo ? [] : configured };
  };

  /** By their marks. */
  const refused = new Set<string>();
  const isRefused = (provider: string, key: string) => refused.has(toKeyMark(provider, key));
  const merge = () => mergeProviderEnvironments(catalog.providers, sources, stored, isRefused);
  let merged = merge();
  let state = await decide(merged);
  const take = async (environment: RawEnvironment): Promise<boolean> => {
    // Kept also where it brings nothing now: the configuration may gain a provider whose key it has.
    const isEmpty = Object.keys(environment).length === 0;
    if (!isEmpty && !sources.some((source) => sameEntries(source, environment))) sources.push(environment);
    const next = merge();
    const brings = !sameEntries(next, merged);
    // A demo also ends when a keyless provider (Ollama) has come up since.
    if (!brings && !(state.demo && env.AIMM_DEMO === 'auto')) return false;
    return change(next);
  };
  const change = async (next: Record<string, string>): Promise<boolean> => {
    const before = state.environment;
    merged = next;
    state = await decide(merged);
    return !sameEntries(before, state.environment);
  };
  // One after the other: two clients may come at once.
  const inTurn = (work: () => Promise<boolean>): Promise<boolean> => {
    const mine = turn.then(work);
    turn = mine.catch(() => undefined);
    return mine;
  };

  return {
    state: () => state,
    take: (environment) => inTurn(() => take(environment)),
    setStored: (ids) =>
      inTurn(() => {
        stored = ids;
        return change(merge());
      }),
    noteKey: (verdict) =>
      inTurn(() => {
        if (verdict.refused) refused.add(verdict.mark);
        else refused.delete(verdict.mark);
        return change(merge());
      }),
    refresh: () => inTurn(() => change(merge())),
    close: async () => upstream?.close(),
  };
}

function sameEntries(one: RawEnvironment, other: RawEnvironment): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
