import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { join } from 'node:path';
import type { Catalog, ConfigFault } from './catalog.ts';
import { defaultConfigDir } from './load-catalog.ts';

export interface FollowConfigOptions {
  configDir?: string | undefined;
  load(): { catalog: Catalog; faults: readonly ConfigFault[] };
  /** The files were read anew and are sound. */
  onChange(catalog: Catalog): void;
  /** They are not: what was in force stays so. */
  onFaults(faults: readonly ConfigFault[]): void;
  /** The folder cannot be watched; `reload` works all the same. */
  onUnwatched(error: Error): void;
  /** Whether SIGHUP reloads. */
  obeysSignal: boolean;
}

/** Follows the configuration's files until it is closed. */
export interface ConfigFollower {
  /** Reads the files again, changed or not. */
  reload(): void;
  close(): void;
}

const files = ['providers.json', 'models.json', 'routing.json'];
/** Editors write a file in several steps, and whoever changes two files does not do so at once. */
const quietMs = 200;

export function followConfig(options: FollowConfigOptions): ConfigFollower {
  const directory = options.configDir ?? defaultConfigDir;
  let seen = readAll(directory);
  let timer: NodeJS.Timeout | undefined;
  let watcher: FSWatcher | undefined;

  const reload = () => {
    seen = readAll(directory);
    const { catalog, faults } = options.load();
    if (faults.length > 0) options.onFaults(faults);
    else options.onChange(catalog);
  };
  const settle = () => {
    // A touch, a file beside ours, or our own reading: nothing has changed.
    if (readAll(directory) !== seen) reload();
  };
  try {
    // The folder, since editors put a new file in the place of the old one.
    watcher = watch(directory, { persistent: false }, () => {
      clearTimeout(timer);
      timer = setTimeout(settle, quietMs);
    });
    watcher.on('error', (error: Error) => options.onUnwatched(error));
  } catch (error) {
    options.onUnwatched(error instanceof Error ? error : new Error(String(error)));
  }
  if (options.obeysSignal) process.on('SIGHUP', reload);

  return {
    reload,
    close() {
      clearTimeout(timer);
      watcher?.close();
      process.off('SIGHUP', reload);
    },
  };
}

function readAll(directory: string): string {
  return files
    .map((file) => {
      try {
        return readFileSync(join(directory, file), 'utf8');
      } catch {
        // Missing for a moment, or for good: reading it properly says so.
        return '';
      }
    })
    .join('\0');
}
