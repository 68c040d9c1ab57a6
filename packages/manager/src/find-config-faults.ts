import { loadCatalog } from '@aimm/catalog';
import type { ConfigFault } from '@aimm/runtime';
import type { ManagerOptions } from './create-manager.ts';

/** What `createManager` would throw for, so that a process can tell it together with its own faults. */
export function findConfigFaults({ configDir, raw }: Pick<ManagerOptions, 'configDir' | 'raw'>): ConfigFault[] {
  return loadCatalog({ configDir, env: raw }).faults;
}
