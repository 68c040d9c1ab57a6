import { PrismaPg } from '@prisma/adapter-pg';
import {
  ColumnTypeEnum,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import pg from 'pg';
import { createPoolConfig } from './postgres-connection.ts';

/** Type numbers of PostgreSQL: the catalog's one-byte `"char"`, and `text`, which reads the same on the wire. */
const charType = 18;
const textType = 25;

/**
 * Lets the schema engine read PostgreSQL's catalog, whose `"char"` columns Prisma's adapter refuses. They go through the
 * adapter as text and are named characters behind it: given text, the engine panics.
 */
export function createCatalogFactory(url: string): SqlMigrationAwareDriverAdapterFactory {
  const connect = async (): Promise<SqlDriverAdapter> => {
    const { pool, charColumns } = createCatalogPool(url);
    const adapter = await new PrismaPg(pool, { disposeExternalPool: true }).connect();
    const queryRaw = adapter.queryRaw.bind(adapter);
    adapter.queryRaw = async (query) => {
      const result = await queryRaw(query);
      for (const index of charColumns.get(query.sql) ?? []) result.columnTypes[index] = ColumnTypeEnum.Character;
      return result;
    };
    return adapter;
  };
  const { provider, adapterName } = new PrismaPg(url);
  return { provider, adapterName, connect, connectToShadowDb: connect };
}

/** A pool that answers `"char"` as text and remembers, per statement, in which columns. */
function createCatalogPool(url: string) {
  const pool = new pg.Pool({ ...createPoolConfig(url), max: 1 });
  const charColumns = new Map<string, number[]>();
  const ask = pool.query.bind(pool);
  const query = async (config: pg.QueryArrayConfig) => {
    const result = await ask(config);
    const chars = result.fields.flatMap((field, index) => (field.dataTypeID === charType ? [index] : []));
    charColumns.set(config.text, chars);
    for (const index of chars) Object.assign(result.fields[index] ?? {}, { dataTypeID: textType });
    return result;
  };
  return { pool: Object.assign(pool, { query }), charColumns };
}
