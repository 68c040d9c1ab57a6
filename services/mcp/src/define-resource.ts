import type { AccessScope } from '@aimm/contracts';
import type { Caller, Manager } from '@aimm/manager';
import type { CacheHint } from '@modelcontextprotocol/server';

/** Something to be read as JSON. Never holds a key. */
export interface JsonResource {
  name: string;
  uri: string;
  title: string;
  description: string;
  cacheHint: CacheHint;
  /** Any of these lets an access token read it. */
  scopes: readonly AccessScope[];
  /** @throws ModelManagerError */
  read: (manager: Manager, caller: Caller) => Promise<unknown>;
}

/** Things of one kind to be read as JSON, each by its id. */
export interface JsonResourceTemplate extends Omit<JsonResource, 'uri' | 'read'> {
  /** A URI with `{id}` in it. */
  uriTemplate: string;
  /** @throws ModelManagerError */
  read: (manager: Manager, caller: Caller, id: string) => Promise<unknown>;
  /** Ids that begin so, the likeliest first. @throws ModelManagerError */
  complete: (manager: Manager, caller: Caller, begun: string) => Promise<string[]>;
}
