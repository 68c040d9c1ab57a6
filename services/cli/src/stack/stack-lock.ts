import Sqlite from 'better-sqlite3';

export interface StackLock {
  release(): void;
}

/**
 * Takes the lock of a data directory; undefined while another process holds it.
 * It is an open transaction on a small SQLite file, so the system lets go of it with its holder, however that ends.
 */
export function acquireStackLock(path: string): StackLock | undefined {
  const file = new Sqlite(path, { timeout: 0 });
  try {
    file.exec('BEGIN EXCLUSIVE');
    const release = () => {
      process.off('exit', release);
      file.close();
    };
    // Also keeps the file referenced: a garbage collection would close it, and with it let go of the lock.
    process.on('exit', release);
    return { release };
  } catch (error) {
    file.close();
    if (error instanceof Sqlite.SqliteError && error.code.startsWith('SQLITE_BUSY')) return undefined;
    throw error;
  }
}
