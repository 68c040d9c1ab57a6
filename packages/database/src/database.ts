import type {
  AccessScope,
  ClientBudget,
  ClientLimits,
  Conversation,
  ConversationMessage,
  ConversationTurn,
  LedgerRow,
  ModelPreference,
  UsageQuery,
  UsageReport,
} from '@aimm/contracts';
import type { BatchRepository } from './batch-repository.ts';
import type { SubmissionRepository } from './submission-repository.ts';
import type { ModelSpeed } from './ledger-speed.ts';

export interface LedgerRepository {
  /**
   * Writes rows idempotently by `(requestId, callNumber)`, in one transaction. A row that is there stays,
   * unless it says `outcome_unknown`, is not rolled up, and the new one knows better. Returns how many rows were written or bettered.
   */
  record(rows: readonly LedgerRow[]): Promise<number>;
  findByRequest(requestId: string): Promise<LedgerRow[]>;
  /** The same of some hundreds of requests at once, in no order. */
  findByRequests(requestIds: readonly string[]): Promise<LedgerRow[]>;
  /** What real calls that started in the span cost, in nano-dollars; of unknown prices nothing. */
  sumCosts(query: {
    from: number;
    to: number;
    provider?: string | undefined;
    client?: string | undefined;
  }): Promise<number>;
  /**
   * Sums and percentiles; days are those of the query's time zone (`YYYY-MM-DD`), model keys are `provider/model`. Groups: most
   * cost, then most calls, first; days by date. A report is the same however much of it is rolled up.
   */
  summarize(query: UsageQuery): Promise<UsageReport>;
  /**
   * Takes up to `limit` rows into the roll-ups, oldest first; those of unknown outcome only where they began before
   * `unknownBefore` (epoch milliseconds). Returns how many: fewer than `limit`, and nothing is left for now.
   */
  rollUp(batch: { limit: number; unknownBefore: number }): Promise<number>;
  /** Deletes up to `limit` rolled-up rows that began before `before`; reports keep counting them. Returns how many. */
  deleteRolledUp(batch: { limit: number; before: number }): Promise<number>;
  /** How fast models answered since `from`, by medians over the newest calls. */
  measureSpeed(from: number): Promise<ModelSpeed[]>;
}

/** Who may write the next turn. `held`: the request `by` has had it since then. `moved`: look again; `missing`: nothing is there. */
export type TurnClaim =
  | { state: 'claimed' }
  | { state: 'held'; by: string; since: number }
  | { state: 'moved' }
  | { state: 'missing' };

export interface ConversationRepository {
  find(id: string): Promise<Conversation | undefined>;
  /**
   * By their last turn, newest first. `search`: with a message that has all of these words, or one that begins so for `fox*`;
   * `snippet` shows where, with the words between `**`; SQLite has none for beginnings far up a long one. `begins`: what their ids
   * begin with. `after`: goes on behind this one.
   */
  list(query: {
    client?: string | undefined;
    search?: string | undefined;
    begins?: string | undefined;
    limit: number;
    after?: Pick<Conversation, 'updatedAt' | 'id'> | undefined;
  }): Promise<(Conversation & { snippet?: string | undefined })[]>;
  /** Messages by position, oldest first. */
  messages(id: string, page?: { after?: number; limit?: number }): Promise<ConversationMessage[]>;
  /**
   * The newest messages from the position `from` on, until they have some `maxChars` of JSON; `system` are the system messages
   * before those, `leftOut` the questions from `from` on that were not read.
   */
  recent(
    id: string,
    options: { from: number; maxChars: number },
  ): Promise<{ system: ConversationMessage[]; messages: ConversationMessage[]; leftOut: number }>;
  /**
   * Appends a turn (one or more messages) in one transaction; creates the conversation where `version` is 0. Ends the claim on it.
   * One with a `requestId` can be repeated: what was added stays as it is.
   * @throws ModelManagerError `invalid_request` when the conversation's version is not `version` any more
   */
  appendTurn(turn: ConversationTurn): Promise<Conversation>;
  /** Takes the turn after `version` for a request, where nobody has it or the request `from`, which is known to have ended. */
  claimTurn(claim: { id: string; version: number; requestId: string; from?: string | undefined }): Promise<TurnClaim>;
  /** Gives back what the request has claimed, if it has. */
  releaseTurn(id: string, requestId: string): Promise<void>;
  /** Keeps a summary of the messages before `until`, unless there is one that reaches as far. */
  keepSummary(id: string, summary: NonNullable<Conversation['summary']>): Promise<void>;
  /** Deletes a conversation with all that is kept of it; false where there is none. */
  remove(id: string): Promise<boolean>;
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
  /** Another one whenever the key is encrypted anew; says nothing of it. */
  seal: string;
  /** While a worker has it set aside: when the provider last refused it, and with which error code. */
  lastFailedAt?: number;
  lastFailedReason?: string;
}

/** What keys are encrypted under; several where one is about to follow another: each key is then under one of them. */
export type MasterKeys = string | readonly string[];

/** Provider keys, encrypted. Only who brings the master key gets one back. */
export interface ApiKeyRepository {
  /** By provider, oldest first. */
  list(): Promise<ApiKey[]>;
  /**
   * Encrypts and stores a key, of several master keys under that of the keys that are there; without a label it is called
   * `key-1`, `key-2`, …
   * @throws ModelManagerError `invalid_request` when the provider has that key or that label already, `unavailable` when
   *   keys are there that were stored under another master key
   */
  add(key: { provider: string; key: string; label?: string | undefined }, masterKeys: MasterKeys): Promise<ApiKey>;
  /** What was removed; undefined where there is no such key. */
  remove(provider: string, labelOrId: string): Promise<ApiKey | undefined>;
  /**
   * The key itself; undefined where it is gone.
   * @throws ModelManagerError `unavailable` when the master key is another, or the row was changed
   */
  reveal(id: string, masterKeys: MasterKeys): Promise<string | undefined>;
  /**
   * Encrypts every key anew, in one transaction, and gives how many there are and how many of them were not under the new
   * master key before. `next` is asked for that once all of them were opened: until then nothing is changed.
   * @throws ModelManagerError `unavailable` when one is under none of these master keys, `invalid_request` when somebody
   *   else changed the keys meanwhile; both leave them as they were
   */
  rotate(masterKeys: MasterKeys, next: () => string): Promise<{ keys: number; rotated: number }>;
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
  readonly batches: BatchRepository;
  readonly batchSubmissions: SubmissionRepository;
  readonly apiKeys: ApiKeyRepository;
  readonly preferences: PreferenceRepository;
  readonly accessTokens: AccessTokenRepository;
  /** Round trip in milliseconds. @throws when the database does not answer within `timeoutMs` */
  ping(timeoutMs: number): Promise<number>;
  close(): Promise<void>;
}
