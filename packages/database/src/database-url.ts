export type DatabaseKind = 'sqlite' | 'postgresql';

/** Which database a URL means: `file:…` is SQLite, `postgres://…` and `postgresql://…` are PostgreSQL. */
export function parseDatabaseKind(url: string): DatabaseKind {
  if (url.startsWith('file:')) return 'sqlite';
  if (/^postgres(ql)?:\/\//.test(url)) return 'postgresql';
  // The URL itself may hold a password and stays out of the message.
  throw new TypeError(
    'expected a database URL like postgresql://user:password@host:5432/name or file:/path/to/aimm.db',
  );
}

/** `file:/a/b.db` and `file:///a/b.db` are `/a/b.db`; settings behind a `?` are not for SQLite. */
export function toSqlitePath(url: string): string {
  return url.replace(/^file:(\/\/(?=\/))?/, '').replace(/\?.*$/, '');
}

/** How messages name a database. */
export const databaseNames: Record<DatabaseKind, string> = { sqlite: 'SQLite', postgresql: 'PostgreSQL' };
