import type { KeyHealth, ModelManagerError, RateLimits } from '@aimm/contracts';
import { type ModelProvider, parseRateLimits } from '@aimm/providers';

/** Where a key came from and what it is called; never the key itself. */
export interface KeyName {
  /** The row's id; for a key of the environment its variable. */
  id: string;
  label: string;
  source: KeyHealth['source'];
  fingerprint?: string;
  /** Of a key of the environment: what the supervisor tells it from others by (`toKeyMark`). */
  mark?: string;
}

/** A provider as it is with one of its keys. */
export interface ProviderKey {
  /** Absent where the provider needs no key and has none. */
  readonly name?: KeyName;
  readonly provider: ModelProvider;
  /** What its calls are counted under in Redis: the same for all workers, and nothing that it could be guessed from. */
  readonly leaseName?: string;
  /** While the provider refuses it. `since`, `until`: epoch milliseconds. */
  aside?: { code: KeyFault; since: number; until: number; times: number };
  /** Calls that this process makes with it now. */
  inFlight?: number;
  /** What the database said last of its failure; told only when it changes. */
  toldFailedAt?: number | undefined;
}

export type KeyFault = 'authentication' | 'quota_exceeded';

/** A failure is the key's own when another key might do better. */
export function toKeyFault(error: ModelManagerError | undefined): KeyFault | undefined {
  return error?.code === 'authentication' || error?.code === 'quota_exceeded' ? error.code : undefined;
}

/** The keys of one provider: that with the fewest calls under way (here; for all workers see `take-key.ts`) comes next, in turn where several have as few. */
export interface KeyRing {
  readonly keys: readonly ProviderKey[];
  /** Whether a call can be tried. */
  isAvailable(): boolean;
  /** What keeps it from being available, where it is more than a key that nobody gave. */
  readonly problem: string | undefined;
  /**
   * The key that is to be used next, of those that are not set aside; undefined where none is left besides those `refused`.
   * Where all are set aside the first try still gets the one that comes back soonest: to refuse by ourselves helps nobody.
   */
  next(refused?: ReadonlySet<ProviderKey>): ProviderKey | undefined;
  /** Those that `next` chooses from. */
  candidates(refused?: ReadonlySet<ProviderKey>): readonly ProviderKey[];
  /** Whether `next` would give one. */
  hasNext(refused: ReadonlySet<ProviderKey>): boolean;
  /** A call with this key begins; gives what is to be called at its end. */
  hold(key: ProviderKey): () => void;
  /** What became of a call: a failure of the key sets it aside, a success brings it back. */
  report(key: ProviderKey, error: ModelManagerError | undefined): void;
  /** Takes over what other workers found out, as the database tells it. */
  adopt(id: string, failure: { at: number; code: string } | undefined): void;
  noteResponse(headers: Record<string, string>): void;
  keyHealth(): KeyHealth[];
  limits(): RateLimits | undefined;
}

export interface KeyRingOptions {
  keys: readonly ProviderKey[];
  /** Keys that cannot be decrypted, and why. */
  unreadable: readonly (KeyName & { problem: string })[];
  /** A key was set aside, or (without a failure) came back. */
  onChange: (name: KeyName, failure: { at: number; code: KeyFault; until: number } | undefined) => void;
  /** Epoch milliseconds. */
  now?: () => number;
}

const asideMs = 10 * 60_000;
const longestAsideMs = 4 * 3_600_000;
/** Without a reset: the windows of such limits are a minute. */
const limitsFreshMs = 60_000;

export function createKeyRing({ keys, unreadable, onChange, now = Date.now }: KeyRingOptions): KeyRing {
  let turn = 0;
  let lastLimits: RateLimits | undefined;
  const isAside = ({ aside }: ProviderKey) => aside !== undefined && aside.until > now();

  const findCandidates = (refused: ReadonlySet<ProviderKey>) => {
    const ready = keys.filter((key) => !refused.has(key) && !isAside(key));
    if (ready.length > 0 || refused.size > 0) return ready;
    return keys.toSorted((a, b) => (a.aside?.until ?? 0) - (b.aside?.until ?? 0)).slice(0, 1);
  };
  const setAside = (key: ProviderKey, code: KeyFault, at: number) => {
    const { aside } = key;
    // Calls that were under way, and tries while all are set aside, begin the time anew; only a try after its end makes it longer.
    const times = aside?.code === code ? aside.times + (at < aside.until ? 0 : 1) : 1;
    // A wrong key does not get better by waiting longer; a quota may take days.
    const forMs = code === 'authentication' ? asideMs : Math.min(asideMs * 2 ** (times - 1), longestAsideMs);
    key.aside = { code, since: at, until: at + forMs, times };
    return key.aside;
  };
  const bringBack = (key: ProviderKey) => {
    if (key.aside === undefined) return;
    delete key.aside;
    if (key.name !== undefined) onChange(key.name, undefined);
  };

  return {
    keys,
    problem: unreadable[0]?.problem,
    isAvailable: () => keys.some(({ provider }) => provider.isAvailable()),
    next(refused = new Set()) {
      const candidates = findCandidates(refused);
      const fewest = Math.min(...candidates.map(({ inFlight = 0 }) => inFlight));
      const least = candidates.filter(({ inFlight = 0 }) => inFlight === fewest);
      return least[turn++ % least.length];
    },
    hold(key) {
      key.inFlight = (key.inFlight ?? 0) + 1;
      return () => void (key.inFlight = (key.inFlight ?? 1) - 1);
    },
    candidates: (refused = new Set()) => findCandidates(refused),
    hasNext: (refused) => findCandidates(refused).length > 0,
    report(key, error) {
      if (error === undefined) return bringBack(key);
      const code = toKeyFault(error);
      if (code === undefined || key.name === undefined) return;
      const { since: at, until } = setAside(key, code, now());
      onChange(key.name, { at, code, until });
    },
    adopt(id, failure) {
      const key = keys.find(({ name }) => name?.id === id);
      if (key === undefined || key.toldFailedAt === failure?.at) return;
      key.toldFailedAt = failure?.at;
      if (failure === undefined) delete key.aside;
      // Our own finding, come back from the database, or an older one.
      else if (failure.at > (key.aside?.since ?? 0) && isFault(failure.code)) setAside(key, failure.code, failure.at);
    },
    noteResponse(headers) {
      lastLimits = parseRateLimits(headers, now()) ?? lastLimits;
    },
    keyHealth: () => [
      ...keys.flatMap((key): KeyHealth[] => {
        if (key.name === undefined) return [];
        const { aside } = key;
        if (aside === undefined || !isAside(key)) return [{ ...toPublic(key.name), state: 'in_use' }];
        return [{ ...toPublic(key.name), state: 'set_aside', reason: reasons[aside.code], until: aside.until }];
      }),
      ...unreadable.map(({ problem, ...name }): KeyHealth => ({
        ...toPublic(name),
        state: 'unreadable',
        reason: problem,
      })),
    ],
    limits() {
      if (lastLimits === undefined) return undefined;
      return (lastLimits.resetAt ?? lastLimits.seenAt + limitsFreshMs) > now() ? lastLimits : undefined;
    },
  };
}

const reasons: Record<KeyFault, string> = {
  authentication: 'The provider does not accept it.',
  quota_exceeded: 'Its quota or credit is used up.',
};

function isFault(code: string): code is KeyFault {
  return Object.hasOwn(reasons, code);
}

function toPublic({ label, source, fingerprint }: KeyName): Pick<KeyHealth, 'label' | 'source' | 'fingerprint'> {
  return { label, source, ...(fingerprint !== undefined && { fingerprint }) };
}
