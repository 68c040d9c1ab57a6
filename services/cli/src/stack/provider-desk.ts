import type { Catalog } from '@aimm/catalog';
import type { RawEnvironment, RuntimeEnvironment } from '@aimm/runtime';
import type { DemoUpstream } from '../demo-upstream/start-demo-upstream.ts';
import { findConfigured, mergeProviderEnvironments, variablesOf } from './provider-environment.ts';

/** Set to 1 it makes a worker label everything as demo. */
const demoMark = 'AIMM_DEMO_ACTIVE';

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
  close(): Promise<void>;
}

/** Starts with the stack's own environment. Demo answers are served where nothing is configured and `AIMM_DEMO` allows it. */
export async function openProviderDesk(options: {
  env: Pick<RuntimeEnvironment, 'AIMM_DEMO'>;
  raw: RawEnvironment;
  catalog: Pick<Catalog, 'providers' | 'listModels'>;
  findConfigured?: typeof findConfigured;
}): Promise<ProviderDesk> {
  const { env, raw, catalog } = options;
  const { providers } = catalog;
  const find = options.findConfigured ?? findConfigured;
  const unset = Object.fromEntries([...providers.flatMap(variablesOf), demoMark].map((name) => [name, '']));
  const sources: RawEnvironment[] = [raw];
  let upstream: DemoUpstream | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const startUpstream = async () => {
    // Loaded only for a demo: it is large.
    const { startDemoUpstream } = await import('../demo-upstream/start-demo-upstream.ts');
    return startDemoUpstream(
      providers.map((provider) => ({
        id: provider.id,
        kind: provider.kind,
        keyVariable: provider.apiKeyVariables[0],
        baseUrlVariable: provider.baseUrlVariable,
        models: catalog.listModels({ provider: provider.id }),
      })),
    );
  };
  const decide = async (merged: Record<string, string>): Promise<ProviderState> => {
    const configured = await find(providers, merged);
    const demo = env.AIMM_DEMO === 'on' || (env.AIMM_DEMO === 'auto' && configured.length === 0);
    if (demo) upstream ??= await startUpstream();
    const environment = { ...unset, ...(demo ? upstream?.environment : merged) };
    return { environment, demo, configured: demo ? [] : configured };
  };

  let merged = mergeProviderEnvironments(providers, sources);
  let state = await decide(merged);
  const take = async (environment: RawEnvironment): Promise<boolean> => {
    const next = mergeProviderEnvironments(providers, [...sources, environment]);
    const brings = !sameEntries(next, merged);
    // A demo also ends when a keyless provider (Ollama) has come up since.
    if (!brings && !(state.demo && env.AIMM_DEMO === 'auto')) return false;
    if (brings) sources.push(environment);
    const before = state.environment;
    merged = next;
    state = await decide(merged);
    return !sameEntries(before, state.environment);
  };

  return {
    state: () => state,
    // One after the other: two clients may come at once.
    take: (environment) => {
      const mine = turn.then(() => take(environment));
      turn = mine.catch(() => undefined);
      return mine;
    },
    close: async () => upstream?.close(),
  };
}

function sameEntries(one: Readonly<Record<string, string>>, other: Readonly<Record<string, string>>): boolean {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}
