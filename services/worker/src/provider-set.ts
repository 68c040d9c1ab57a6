import type { Catalog, ProviderConfig } from '@aimm/catalog';
import { createProvider, type ProxySettings } from '@aimm/providers';
import { toKeyMark } from '@aimm/runtime';
import { createKeyRing, type KeyName, type KeyRing, type KeyRingOptions, type ProviderKey } from './key-ring.ts';
import type { StoredKey } from './stored-keys.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The providers that this worker serves, as the environment and the stored keys of the moment configure them. */
export interface ProviderSet {
  find(id: string): KeyRing | undefined;
  configs(): readonly ProviderConfig[];
  describe(): { id: string; configured: boolean; demo: boolean; problem?: string }[];
  isDemo(): boolean;
  /** Keys may come, go and change while the worker runs. Calls under way keep theirs; a key that stays keeps its state. */
  configure(environment: Environment): void;
  /** The same for the keys of the database. In a demo they are not used: they are not for the stand-in. */
  setStored(keys: readonly StoredKey[]): void;
  /** Loads what the configured ones need for their first call, one after the other. */
  warmUp(): Promise<void>;
  /** Values that must never be printed, also of keys that have gone. */
  secrets(): string[];
}

export interface ProviderSetOptions {
  catalog: Catalog;
  /** Ids; default: all. */
  served?: readonly string[] | undefined;
  environment: Environment;
  /** Of all providers. */
  proxy?: ProxySettings | undefined;
  onKeyChange?: (provider: string, ...change: Parameters<KeyRingOptions['onChange']>) => void;
}

type GivenKey = { name: KeyName; secret: string };

export function createProviderSet({
  catalog,
  served,
  environment,
  proxy,
  onKeyChange,
}: ProviderSetOptions): ProviderSet {
  // Asked anew each time: the catalog may change.
  const listConfigs = () => catalog.providers.filter(({ id }) => served === undefined || served.includes(id));
  const secrets = new Set<string>();
  let rings = new Map<string, { ring: KeyRing; signature: string }>();
  let made = new Map<string, ProviderKey>();
  let stored: readonly StoredKey[] = [];
  let env = environment;
  let demo = false;

  /** Makes anew what has changed, and nothing else: a key's state and its client's connections stay. */
  const build = () => {
    demo = env['AIMM_DEMO_ACTIVE'] === '1';
    const before = made;
    made = new Map();
    rings = new Map(
      listConfigs().map((config) => {
        const own = demo ? [] : stored.filter(({ provider }) => provider === config.id);
        const given = toGivenKeys(config, env, own);
        for (const { secret } of given) secrets.add(secret);
        const keys = (given.length > 0 ? given : [undefined]).map((key) => {
          const identity = JSON.stringify([
            toMade(config),
            env[config.baseUrlVariable],
            demo,
            key?.name.id,
            key?.secret,
          ]);
          const one = before.get(identity) ?? makeKey(config, key);
          made.set(identity, one);
          return { identity, one };
        });
        const unreadable = own.flatMap(({ problem, ...key }) =>
          problem === undefined ? [] : [{ ...toName(key), problem }],
        );
        const signature = JSON.stringify([keys.map(({ identity }) => identity), unreadable]);
        const known = rings.get(config.id);
        if (known?.signature === signature) return [config.id, known];
        const onChange: KeyRingOptions['onChange'] = (...change) => onKeyChange?.(config.id, ...change);
        return [
          config.id,
          { ring: createKeyRing({ keys: keys.map(({ one }) => one), unreadable, onChange }), signature },
        ];
      }),
    );
    for (const { provider, id, failure } of stored) rings.get(provider)?.ring.adopt(id, failure);
  };
  const makeKey = (config: ProviderConfig, key: GivenKey | undefined): ProviderKey => {
    const baseUrl = env[config.baseUrlVariable] || config.baseUrl;
    const [apiKeyVariable] = config.apiKeyVariables;
    const provider = createProvider({
      id: config.id,
      kind: config.kind,
      keyRequired: config.keyRequired,
      demo,
      firstByteTimeoutMs: config.firstByteTimeoutMs,
      idleTimeoutMs: config.idleTimeoutMs,
      describeModel: (model) => catalog.findModel(config.id, model),
      ...(key !== undefined && { apiKey: key.secret }),
      ...(apiKeyVariable !== undefined && { apiKeyVariable }),
      ...(baseUrl !== undefined && { baseUrl }),
      ...(proxy !== undefined && { proxy }),
      ...(config.defaultModel !== undefined && { defaultModel: config.defaultModel }),
      ...(config.keepAlive !== undefined && { keepAlive: config.keepAlive }),
      ...(config.contextLength !== undefined && { contextLength: config.contextLength }),
    });
    // The stand-in's keys are made up, and nobody's to know of.
    if (key === undefined || demo) return { provider };
    return { provider, name: key.name, leaseName: toKeyMark(config.id, key.secret) };
  };
  build();

  return {
    find: (id) => rings.get(id)?.ring,
    configs: listConfigs,
    describe: () =>
      [...rings].map(([id, { ring }]) => ({
        id,
        configured: ring.isAvailable(),
        demo,
        ...(ring.problem !== undefined && { problem: ring.problem }),
      })),
    isDemo: () => demo,
    configure(environment) {
      env = environment;
      build();
    },
    setStored(keys) {
      stored = keys;
      for (const { secret } of keys) if (secret !== undefined) secrets.add(secret);
      build();
    },
    async warmUp() {
      const providers = [...rings.values()].flatMap(({ ring }) => ring.keys.map(({ provider }) => provider));
      for (const provider of providers) if (provider.isAvailable()) await provider.warmUp();
    },
    secrets: () => [...secrets],
  };
}

/** All of a provider's configuration that its client is made of. */
function toMade({ requestsPerMinute: _r, tokensPerMinute: _t, models: _m, concurrency: _c, ...made }: ProviderConfig) {
  return made;
}

/** The environment's key first, then the stored ones; one that is there twice counts once. */
function toGivenKeys(config: ProviderConfig, env: Environment, stored: readonly StoredKey[]): GivenKey[] {
  const variable = config.apiKeyVariables.find((name) => env[name] !== undefined && env[name] !== '');
  const keys: GivenKey[] = [];
  if (variable !== undefined) {
    const secret = env[variable] ?? '';
    const mark = toKeyMark(config.id, secret);
    keys.push({ name: { id: variable, label: variable, source: 'environment', mark }, secret });
  }
  for (const { secret, ...key } of stored) {
    if (secret !== undefined && !keys.some((known) => known.secret === secret))
      keys.push({ name: toName(key), secret });
  }
  return keys;
}

function toName({ id, label, fingerprint }: Pick<StoredKey, 'id' | 'label' | 'fingerprint'>): KeyName {
  return { id, label, fingerprint, source: 'database' };
}
