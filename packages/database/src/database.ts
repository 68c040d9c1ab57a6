import type {
  Conversation,
  ConversationMessage,
  LedgerRow,
  ModelPreference,
  UsageQuery,
  UsageReport,
} from '@aimm/contracts';
import type { ModelSpeed } from './ledger-speed.ts';

export interface LedgerRepository {
  /**
   * Writes rows idempotently by `(requestId, callNumber)`, in one transaction. A row that is there stays,
   * unless it says `outcome_unknown` and the new one knows better. Returns how many rows were written or bettered.
   */
  record(rows: readonly LedgerRow[]): Promise<number>;
  findByRequest(requestId: string): Promise<LedgerRow[]>;
  /** What real calls that started in the span cost, in nano-dollars; of unknown prices nothing. */
  sumCosts(query: {
    from: number;
    to: number;
    provider?: string | undefined;
    client?: string | undefined;
  }): Promise<number>;
  /** Sums and percentiles; days are UTC (`YYYY-MM-DD`), model keys are `provider/model`. Groups: most cost, then most calls, first. */
  summarize(query: UsageQuery): Promise<UsageReport>;
  /** How fast models answered since `from`, by medians over the newest calls. */
  measureSpeed(from: number): Promise<ModelSpeed[]>;
}

export interface ConversationRepository {
  find(id: string): Promise<Conversation | undefined>;
  /** Messages by position, oldest first. */
  messages(id: string, page?: { after?: number; limit?: number }): Promise<ConversationMessage[]>;
  /**
   * Appends a turn (one or more messages) in one transaction; creates the conversation where `version` is 0.
   * @throws ModelManagerError `invalid_request` when the conversation's version is not `version` any more
   */
  appendTurn(turn: {
    id: string;
    client: string;
    title: string;
    version: number;
    messages: Omit<ConversationMessage, 'position'>[];
  }): Promise<Conversation>;
}

/** A provider's key as the database shows it: never the key itself. Times are epoch milliseconds. */
export interface ApiKey {
  id: string;
  provider: string;
  /** What a person calls it; one of its kind per provider. */
  label: string;
  /** The key's last characters (`…x7Qz`), for telling keys apart. */
  fingerprint: string;
  createdAt: number;
  /** While a worker has it set aside: when the provider last refused it, and with which error code. */
  lastFailedAt?: number;
  lastFailedReason?: string;
}

/** Provider keys, encrypted. Only who brings the master key gets one back. */
export interface ApiKeyRepository {
  /** By provider, oldest first. */
  list(): Promise<ApiKey[]>;
  /**
   * Encrypts and stores a key; without a label it is called `key-1`, `key-2`, …
   * @throws ModelManagerError `invalid_request` when the provider has that key or that label already, `unavailable` when
   *   keys are there that were stored under another master key
   */
  add(key: { provider: string; key: string; label?: string | undefined }, masterKey: string): Promise<ApiKey>;
  /** What was removed; undefined where there is no such key. */
  remove(provider: string, labelOrId: string): Promise<ApiKey | undefined>;
  /**
   * The key itself; undefined where it is gone.
   * @throws ModelManagerError `unavailable` when the master key is another, or the row was changed
   */
  reveal(id: string, masterKey: string): Promise<string | undefined>;
  /** Notes that the provider refuses the key; without a failure, that it takes it again. */
  recordFailure(id: string, failure: { at: number; reason: string } | undefined): Promise<void>;
}

/** Aliases, what `auto` chooses from, and defaults: by whose they are (`*`: everybody's) and their name. */
export interface PreferenceRepository {
  /** The client's own and everybody's, by owner, then name. */
  list(client: string): Promise<ModelPreference[]>;
  /** Writes it in place of the one of that owner and name. */
  put(preference: Omit<ModelPreference, 'updatedAt'>): Promise<ModelPreference>;
  /** False where there was none. */
  remove(client: string, name: string): Promise<boolean>;
}

/** The only door to Prisma. `url`: `file:/…/aimm.db` (SQLite) or `postgresql://…`. */
export interface Database {
  readonly kind: 'sqlite' | 'postgresql';
  readonly ledger: LedgerRepository;
  readonly conversations: ConversationRepository;
  readonly apiKeys: ApiKeyRepository;
  readonly preferences: PreferenceRepository;
  /** Round trip in milliseconds. @throws when the database does not answer within `timeoutMs` */
  ping(timeoutMs: number): Promise<number>;
  close(): Promise<void>;
}
