import { findKeyVariables as findInCatalog, loadCatalog } from '@aimm/catalog';
import type { ConfigFault } from '@aimm/runtime';
import type { ManagerOptions } from './create-manager.ts';

/** What `createManager` would throw for, so that a process can tell it together with its own faults. */
export function findConfigFaults({ configDir, raw }: Pick<ManagerOptions, 'configDir' | 'raw'>): ConfigFault[] {
  return loadCatalog({ configDir, env: raw }).faults;
}

/** The variables that hold providers' keys: what a process hands its stack, and keeps from those that have no use for them. */
export function findKeyVariables({ configDir, raw }: Pick<ManagerOptions, 'configDir' | 'raw'>): string[] {
  return findInCatalog({ configDir, env: raw });
}
