import { ModelManagerError } from '@aimm/contracts';
import { type DatabaseKind, databaseNames } from './database-url.ts';

/** Runs database work. A database that cannot be used becomes `unavailable`; a mistake of ours rises as it is. */
export async function guardDatabase<Result>(kind: DatabaseKind, work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (thrown) {
    throw thrown instanceof ModelManagerError ? thrown : toDatabaseFailure(kind, thrown);
  }
}

/** Prisma's code for a row that is there already. */
export function isUniqueViolation(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'P2002';
}

/** Data exceptions, broken constraints and limits of PostgreSQL, and the same of SQLite and Prisma. */
const refusals = /^(22\w{3}|23\w{3}|54\w{3}|SQLITE_(TOOBIG|MISMATCH|CONSTRAINT\w*)|P2000|P2011|P2020)$/;

/** The database is well, and will never take this: a number out of its column's range, a text too long for an index. */
export function isRefusal(error: unknown): boolean {
  return findSigns(error).some((sign) => refusals.test(sign));
}

/** The same fault comes as the driver's error, as Prisma's adapter wraps it, or with Prisma's own code around both. */
const reasons: { signs: RegExp; says: string; hint: string }[] = [
  {
    signs: /^(28\w{3}|AuthenticationFailed|DatabaseAccessDenied|P1000|P1010)$/,
    says: 'refused the user or the password',
    hint: 'Correct the user and the password in DATABASE_URL.',
  },
  {
    signs: /^(3D000|DatabaseDoesNotExist|P1003)$/,
    says: 'has no database of that name',
    hint: 'Create the database, or correct its name in DATABASE_URL.',
  },
  {
    signs: /^(SQLITE_BUSY\w*|SQLITE_LOCKED\w*)$/,
    says: 'was locked by another process for too long',
    hint: 'Close what has the file open for writing: a backup, a database tool, a process that hangs.',
  },
  {
    signs: /^(SQLITE_(CANTOPEN|NOTADB|READONLY|FULL|IOERR|CORRUPT|PERM)\w*|Cannot open database.*)$/,
    says: 'cannot open or write its file',
    hint: 'The folder must exist and be writable, the disk must have room, and the file must be an SQLite database.',
  },
  {
    signs: /^The database schema is not empty/,
    says: 'holds tables of something else and none of ours',
    hint: 'Give AI Model Manager a database of its own in DATABASE_URL.',
  },
  {
    signs: /^(TlsConnectionError|P1011)$/,
    says: 'and this process do not agree on TLS',
    hint: 'Correct sslmode in DATABASE_URL, or the certificates.',
  },
  {
    signs: /^(53100|53200|58030)$/,
    says: 'has no room on its disk or in its memory',
    hint: 'Make room where the database runs.',
  },
  {
    signs: /^25006$/,
    says: 'takes no writes: it is read-only',
    hint: 'Look whether DATABASE_URL leads to a standby, or to a database that its host has stopped from growing.',
  },
  {
    signs: /^42501$/,
    says: 'does not let this user do that',
    hint: 'Grant the user of DATABASE_URL all rights on the schema and its tables.',
  },
  {
    signs: /^(57014|55P03|25P0[23])$/,
    says: 'gave up what took too long',
    hint: 'Look for what holds its tables locked or slows it down, and at its statement_timeout and lock_timeout.',
  },
  {
    signs:
      /^(E(CONN\w+|NOTFOUND|AI_AGAIN|TIMEDOUT|HOSTUNREACH|NETUNREACH|PIPE)|08\w{3}|53\w{3}|57P\w\d|DatabaseNotReachable|ConnectionClosed|SocketTimeout|TooManyConnections|P1001|P1002|P1008|P1017|P2024)$/,
    says: 'cannot be reached',
    hint: 'Check that the database runs and that DATABASE_URL names the right host and port.',
  },
  {
    signs: /^P2028$/,
    says: 'did not end a transaction in time',
    hint: 'Look for what holds its tables locked, or slows it down.',
  },
  {
    // Serialization failures and deadlocks.
    signs: /^(40001|40P01|TransactionWriteConflict|P2034)$/,
    says: 'undid this in favour of another writer',
    hint: 'Do it again.',
  },
  {
    // The driver gives these no code.
    signs:
      /^(timeout expired|timeout exceeded when trying to connect|Query read timeout|Connection terminated.*|Client has encountered a connection error.*|Client was closed.*)$/,
    says: 'did not answer in time or broke the connection',
    hint: 'Check that the database runs and that DATABASE_URL names the right host and port.',
  },
];

/** What {@link guardDatabase} throws in the place of a driver's error. */
export function toDatabaseFailure(kind: DatabaseKind, thrown: unknown): unknown {
  const signs = findSigns(thrown);
  const reason = reasons.find((candidate) => signs.some((sign) => candidate.signs.test(sign)));
  if (reason === undefined) return thrown;
  return new ModelManagerError('unavailable', `${databaseNames[kind]} ${reason.says}.`, {
    // What waits for the database (a ledger row) must not be given up for it.
    retryable: true,
    hint: reason.hint,
    cause: thrown,
  });
}

/** Codes, kinds and messages of an error and of those it wraps. */
function findSigns(thrown: unknown, depth = 0): string[] {
  if (typeof thrown !== 'object' || thrown === null || depth > 4) return [];
  const { code, kind, originalCode, message, cause, driverAdapterError, meta } = thrown as Record<string, unknown>;
  const own = [code, kind, originalCode, message].filter((sign) => typeof sign === 'string');
  return [...own, ...[cause, driverAdapterError, meta].flatMap((inner) => findSigns(inner, depth + 1))];
}
