import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import {
  bindMigrationAwareSqlAdapterFactory,
  type SqlDriverAdapter,
  type SqlMigrationAwareDriverAdapterFactory,
} from '@prisma/driver-adapter-utils';
import * as bindings from '@prisma/schema-engine-wasm/schema_engine_bg';
import type { DatabaseKind } from './database-url.ts';
import type { SchemaFile } from './schema-files.ts';

export type SchemaEngine = bindings.SchemaEngine;

/**
 * The engine looks at every table but those of the search, which no model can describe: migrations make them in SQL of
 * their own.
 */
export function toTableFilter(kind: DatabaseKind) {
  if (kind === 'postgresql') return { externalTables: ['public.message_search'], externalEnums: [] };
  const parts = ['', '_data', '_idx', '_content', '_docsize', '_config'].map((part) => `message_search${part}`);
  return { externalTables: ['conversation_numbers', ...parts], externalEnums: [] };
}

/** The part of lib.dom's `WebAssembly` that is used here; Node has it, its types do not name it. */
interface WebAssemblyApi {
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: object) => { exports: Record<string, () => void> };
}

let loaded = false;

/** Compiles the engine (5 MB, some 100 ms), once per process: the bindings hold one instance. */
function loadEngine(): void {
  const webAssembly = Reflect.get(globalThis, 'WebAssembly') as WebAssemblyApi;
  const entry = createRequire(import.meta.url).resolve('@prisma/schema-engine-wasm');
  const module = new webAssembly.Module(readFileSync(join(dirname(entry), 'schema_engine_bg.wasm')));
  const { exports } = new webAssembly.Instance(module, { './schema_engine_bg.js': withoutHolding(bindings) });
  // What the package's own loader does, which wants a bundler.
  bindings.__wbg_set_wasm(exports);
  exports['__wbindgen_start']?.();
  loaded = true;
}

/**
 * The engine sets a timer of 10 s when it asks for its lock and never clears it: a process that migrated and has nothing
 * else to do would wait for it. Such a timer must not hold the process.
 */
function withoutHolding(imports: object): object {
  const name = Object.keys(imports).find((key) => key.startsWith('__wbg_setTimeout_'));
  if (name === undefined) return imports;
  return { ...imports, [name]: (run: () => void, afterMs: number) => setTimeout(run, afterMs).unref() };
}

/** Runs `work` with Prisma's own schema engine over the given schema, and closes every connection it opened. */
export async function withSchemaEngine<Result>(
  files: readonly SchemaFile[],
  factory: SqlMigrationAwareDriverAdapterFactory,
  work: (engine: SchemaEngine) => Promise<Result>,
): Promise<Result> {
  if (!loaded) loadEngine();
  const opened: SqlDriverAdapter[] = [];
  const track = async (connecting: Promise<SqlDriverAdapter>) => {
    const adapter = await connecting;
    opened.push(adapter);
    return adapter;
  };
  const tracked: SqlMigrationAwareDriverAdapterFactory = {
    provider: factory.provider,
    adapterName: factory.adapterName,
    connect: () => track(factory.connect()),
    connectToShadowDb: () => track(factory.connectToShadowDb()),
  };
  const datamodels = files.map((file): [string, string] => [file.path, file.content]);
  try {
    const engine = await bindings.SchemaEngine.new(
      { datamodels },
      () => undefined,
      bindMigrationAwareSqlAdapterFactory(tracked),
    );
    return await work(engine).finally(() => engine.free());
  } finally {
    // `free` leaves them open, and an open SQLite connection keeps the file locked.
    await Promise.all(opened.map((adapter) => adapter.dispose()));
  }
}
