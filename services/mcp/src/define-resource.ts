import type { Caller, Manager } from '@aimm/manager';
import type { CacheHint } from '@modelcontextprotocol/server';

/** Something to be read as JSON. Never holds a key. */
export interface JsonResource {
  name: string;
  uri: string;
  title: string;
  description: string;
  cacheHint: CacheHint;
  /** @throws ModelManagerError */
  read: (manager: Manager, caller: Caller) => Promise<unknown>;
}
