import type {
  AccessScope,
  ClientBudget,
  ClientLimits,
  Conversation,
  ConversationMessage,
  LedgerRow,
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

/** An access token as the database shows it: never the token itself. Times are epoch milliseconds. */
export interface AccessToken {
  id: string;
  /** The client that it makes of whoever has it. */
  name: string;
  /** The token's last characters (`…9f3a`), for telling tokens apart. */
  fingerprint: string;
  scopes: AccessScope[];
  limits: ClientLimits;
  budgets: ClientBudget[];
  createdAt: number;
  expiresAt?: number;
  revokedAt?: number;
  /** To the minute. */
  lastUsedAt?: number;
}

/** Access tokens, of which only hashes are kept. */
export interface AccessTokenRepository {
  /** By name, oldest first, with those that were revoked. */
  list(): Promise<AccessToken[]>;
  /**
   * Makes a token. `token` is in this answer and nowhere else.
   * @throws ModelManagerError `invalid_request` when a live token has that name
   */
  create(token: {
    name: string;
    scopes: readonly AccessScope[];
    limits?: ClientLimits | undefined;
    budgets?: readonly ClientBudget[] | undefined;
    expiresAt?: number | undefined;
  }): Promise<AccessToken & { token: string }>;
  /** What was revoked; undefined where there is no such live token. */
  revoke(nameOrId: string): Promise<AccessToken | undefined>;
  /** Whose token this is; undefined where it is nobody's, was revoked or has expired. */
  find(token: string): Promise<AccessToken | undefined>;
  recordUse(id: string, usedAt: number): Promise<void>;
}

/** The only door to Prisma. `url`: `file:/…/aimm.db` (SQLite) or `postgresql://…`. */
export interface Database {
  readonly kind: 'sqlite' | 'postgresql';
  readonly ledger: LedgerRepository;
  readonly conversations: ConversationRepository;
  readonly apiKeys: ApiKeyRepository;
  readonly accessTokens: AccessTokenRepository;
  /** Round trip in milliseconds. @throws when the database does not answer within `timeoutMs` */
  ping(timeoutMs: number): Promise<number>;
  close(): Promise<void>;
}
