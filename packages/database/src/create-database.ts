import { ModelManagerError } from '@aimm/contracts';
import type { Logger } from '@aimm/runtime';
import { createAccessTokens } from './access-tokens.ts';
import { createBatches } from './batches.ts';
import { createBatchSubmissions } from './batch-submissions.ts';
import { createApiKeys } from './api-keys.ts';
import type { Connection } from './client.ts';
import { createConversations } from './conversations.ts';
import type { Database } from './database.ts';
import { type DatabaseKind, databaseNames, parseDatabaseKind } from './database-url.ts';
import { guardDatabase } from './failures.ts';
import { createLedger } from './ledger.ts';
import { ledgerDialects } from './ledger-dialects.ts';
import { migrateDatabase } from './migrate.ts';
import { pingDatabase } from './ping.ts';
import { createPreferences } from './preferences.ts';
import { searchDialects } from './search-dialects.ts';

export interface DatabaseOptions {
  /** `file:/path/to/aimm.db` (SQLite) or `postgresql://…`. */
  url: string;
  logger?: Logger | undefined;
  /** Epoch milliseconds. */
  now?: () => number;
}

/**
 * Opens the database, after applying the migrations that it lacks.
 * @throws ModelManagerError `unavailable` when the database cannot be used, here and in every method of what is returned
 * @throws TypeError when the URL is of no database that we know
 */
export async function createDatabase({ url, logger, now = Date.now }: DatabaseOptions): Promise<Database> {
  const kind = parseDatabaseKind(url);
  await migrateDatabase({ url, logger });
  const { client, close } = await guardDatabase(kind, () => connect(kind, url, logger));
  const ledger = createLedger(client, ledgerDialects[kind], now);
  const conversations = createConversations(client, searchDialects[kind], now);
  const batches = createBatches(client, ledgerDialects[kind], now, logger);
  const submissions = createBatchSubmissions(client, now);
  const apiKeys = createApiKeys(client, kind, now);
  const preferences = createPreferences(client, now);
  const accessTokens = createAccessTokens(client, now);

  let closed = false;
  const guard = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    // Prisma would connect again, and nobody would close that connection.
    if (closed) throw new ModelManagerError('unavailable', `${databaseNames[kind]} was closed by this process.`);
    return guardDatabase(kind, work);
  };
  return {
    kind,
    ledger: {
      record: (rows) => guard(() => ledger.record(rows)),
      findByRequest: (requestId) => guard(() => ledger.findByRequest(requestId)),
      findByRequests: (requestIds) => guard(() => ledger.findByRequests(requestIds)),
      sumCosts: (query) => guard(() => ledger.sumCosts(query)),
      summarize: (query) => guard(() => ledger.summarize(query)),
      measureSpeed: (from) => guard(() => ledger.measureSpeed(from)),
      rollUp: (batch) => guard(() => ledger.rollUp(batch)),
      deleteRolledUp: (batch) => guard(() => ledger.deleteRolledUp(batch)),
    },
    conversations: {
      find: (id) => guard(() => conversations.find(id)),
      list: (query) => guard(() => conversations.list(query)),
      messages: (id, page) => guard(() => conversations.messages(id, page)),
      recent: (id, options) => guard(() => conversations.recent(id, options)),
      appendTurn: (turn) => guard(() => conversations.appendTurn(turn)),
      claimTurn: (claim) => guard(() => conversations.claimTurn(claim)),
      releaseTurn: (id, requestId) => guard(() => conversations.releaseTurn(id, requestId)),
      keepSummary: (id, summary) => guard(() => conversations.keepSummary(id, summary)),
      remove: (id) => guard(() => conversations.remove(id)),
    },
    batches: {
      create: (batch, columns) => guard(() => batches.create(batch, columns)),
      addItems: (id, firstNumber, items) => guard(() => batches.addItems(id, firstNumber, items)),
      touch: (id) => guard(() => batches.touch(id)),
      start: (id, facts, expected) => guard(() => batches.start(id, facts, expected)),
      remove: (id) => guard(() => batches.remove(id)),
      discard: (id) => guard(() => batches.discard(id)),
      listEnded: (query) => guard(() => batches.listEnded(query)),
      removeAbandoned: (touchedBefore) => guard(() => batches.removeAbandoned(touchedBefore)),
      find: (id) => guard(() => batches.find(id)),
      list: (query) => guard(() => batches.list(query)),
      columns: (id) => guard(() => batches.columns(id)),
      counts: (id) => guard(() => batches.counts(id)),
      summarize: (batch, columns) => guard(() => batches.summarize(batch, columns)),
      generations: (batch, columns, query) => guard(() => batches.generations(batch, columns, query)),
      items: (id, from, limit) => guard(() => batches.items(id, from, limit)),
      listLive: (time) => guard(() => batches.listLive(time)),
      outstanding: (id) => guard(() => batches.outstanding(id)),
      take: (id, column, options) => guard(() => batches.take(id, column, options)),
      listQueued: (id, query) => guard(() => batches.listQueued(id, query)),
      putBack: (id, queued) => guard(() => batches.putBack(id, queued)),
      record: (records) => guard(() => batches.record(records)),
      setStatus: (id, from, to, why) => guard(() => batches.setStatus(id, from, to, why)),
      resumeDue: (id, time) => guard(() => batches.resumeDue(id, time)),
      cancelWaiting: (id) => guard(() => batches.cancelWaiting(id)),
      retryFailed: (id) => guard(() => batches.retryFailed(id)),
      addColumns: (id, columns, estimate) => guard(() => batches.addColumns(id, columns, estimate)),
      finishIfDone: (id) => guard(() => batches.finishIfDone(id)),
    },
    batchSubmissions: {
      create: (submission) => guard(() => submissions.create(submission)),
      find: (id) => guard(() => submissions.find(id)),
      listOpen: (providers) => guard(() => submissions.listOpen(providers)),
      heldRequests: (batchId) => guard(() => submissions.heldRequests(batchId)),
      findProblem: (batchId) => guard(() => submissions.findProblem(batchId)),
      claim: (owner, providers, leaseUntil) => guard(() => submissions.claim(owner, providers, leaseUntil)),
      renew: (id, owner, leaseUntil) => guard(() => submissions.renew(id, owner, leaseUntil)),
      change: (id, owner, change) => guard(() => submissions.change(id, owner, change)),
      release: (id, owner) => guard(() => submissions.release(id, owner)),
    },
    apiKeys: {
      list: () => guard(() => apiKeys.list()),
      add: (key, masterKeys) => guard(() => apiKeys.add(key, masterKeys)),
      remove: (provider, labelOrId) => guard(() => apiKeys.remove(provider, labelOrId)),
      reveal: (id, masterKeys) => guard(() => apiKeys.reveal(id, masterKeys)),
      rotate: (masterKeys, next) => guard(() => apiKeys.rotate(masterKeys, next)),
      recordFailure: (id, failure) => guard(() => apiKeys.recordFailure(id, failure)),
    },
    preferences: {
      list: (owner) => guard(() => preferences.list(owner)),
      put: (preference) => guard(() => preferences.put(preference)),
      remove: (owner, name) => guard(() => preferences.remove(owner, name)),
    },
    accessTokens: {
      list: () => guard(() => accessTokens.list()),
      create: (token) => guard(() => accessTokens.create(token)),
      revoke: (nameOrId) => guard(() => accessTokens.revoke(nameOrId)),
      find: (token) => guard(() => accessTokens.find(token)),
      recordUse: (id, usedAt) => guard(() => accessTokens.recordUse(id, usedAt)),
    },
    ping: (timeoutMs) => guard(() => pingDatabase(kind, client, timeoutMs)),
    close: async () => {
      closed = true;
      await close();
    },
  };
}

/** Each database's driver and client are loaded only where they are used. */
async function connect(kind: DatabaseKind, url: string, logger: Logger | undefined): Promise<Connection> {
  if (kind === 'sqlite') {
    const { openSqlite } = await import('./sqlite-connection.ts');
    return openSqlite(url);
  }
  const { openPostgres } = await import('./postgres-connection.ts');
  return openPostgres(url, logger);
}
