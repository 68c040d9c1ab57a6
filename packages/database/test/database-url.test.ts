import { describe, expect, it } from 'vitest';
import { parseDatabaseKind, toSqlitePath } from '../src/database-url.ts';

describe('a database URL', () => {
  it.each([
    ['file:/data/aimm.db', 'sqlite'],
    ['postgresql://user@host/name', 'postgresql'],
    ['postgres://user@host/name', 'postgresql'],
  ])('%s means %s', (url, kind) => {
    expect(parseDatabaseKind(url)).toBe(kind);
  });

  it('that means no database we know is refused without repeating its password', () => {
    expect(() => parseDatabaseKind('mysql://root:hunter22@host/name')).toThrow(/postgresql:\/\//);
    expect(() => parseDatabaseKind('mysql://root:hunter22@host/name')).not.toThrow(/hunter22/);
  });

  it.each([
    ['file:/data/aimm.db', '/data/aimm.db'],
    ['file:///data/aimm.db', '/data/aimm.db'],
    ['file:aimm.db', 'aimm.db'],
    ['file:/data/aimm.db?connection_limit=1', '/data/aimm.db'],
  ])('%s names the file %s', (url, path) => {
    expect(toSqlitePath(url)).toBe(path);
  });
});
