import type { Catalog } from './catalog.ts';

/** A catalog whose content changes under those that hold it. */
export interface LiveCatalog {
  readonly catalog: Catalog;
  readonly replace: (next: Catalog) => void;
}

export function createLiveCatalog(first: Catalog): LiveCatalog {
  let current = first;
  // Whatever a catalog has is read from the one in force: a member that is added to `Catalog` needs no line here.
  const catalog = new Proxy(first, { get: (_first, member) => Reflect.get(current, member) as unknown });
  return { catalog, replace: (next) => void (current = next) };
}
