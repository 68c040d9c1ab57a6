import { resolve } from 'node:path';
import envPaths from 'env-paths';
import type { ValuePlaces } from './find-values.ts';

/** Where a stack of this environment keeps what can be completed; as `@aimm/runtime` says, which is too large for a TAB. */
export function findPlaces(env: NodeJS.ProcessEnv = process.env): ValuePlaces {
  const { AIMM_CONFIG_DIR: configDir = '', AIMM_DATA_DIR: dataDir = '', DATABASE_URL: url = '' } = env;
  const directory = dataDir === '' ? envPaths('ai-model-manager', { suffix: '' }).data : resolve(dataDir);
  const own = url === '' ? `${directory}/aimm.db` : undefined;
  return {
    configDir: configDir === '' ? undefined : resolve(configDir),
    databaseFile: url.startsWith('file:') ? url.replace(/^file:(\/\/(?=\/))?/, '').replace(/\?.*$/, '') : own,
  };
}

/** From the start of this process; later a shell that waits for its TAB is in somebody's way. */
export function findPatienceMs(env: NodeJS.ProcessEnv = process.env): number {
  const given = Number(env['AIMM_COMPLETION_MS']);
  return given > 0 ? given : 300;
}
