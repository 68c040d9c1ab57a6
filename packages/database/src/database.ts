import type { Conversation, ConversationMessage, LedgerRow, UsageQuery, UsageReport } from '@aimm/contracts';

export interface LedgerRepository {
  /**
   * Writes rows idempotently by `(requestId, callNumber)`, in one transaction. A row that is there stays,
   * unless it says `outcome_unknown` and the new one knows better. Returns how many rows were written or bettered.
   */
  record(rows: readonly LedgerRow[]): Promise<number>;
  findByRequest(requestId: string): Promise<LedgerRow[]>;
  /** Sums and percentiles; days are UTC (`YYYY-MM-DD`), model keys are `provider/model`. Groups: most cost, then most calls, first. */
  summarize(query: UsageQuery): Promise<UsageReport>;
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

/** The only door to Prisma. `url`: `file:/…/aimm.db` (SQLite) or `postgresql://…`. */
export interface Database {
  readonly kind: 'sqlite' | 'postgresql';
  readonly ledger: LedgerRepository;
  readonly conversations: ConversationRepository;
  /** Round trip in milliseconds. @throws when the database does not answer within `timeoutMs` */
  ping(timeoutMs: number): Promise<number>;
  close(): Promise<void>;
}
