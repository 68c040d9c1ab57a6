import type { Catalog } from './catalog.ts';

/** A catalog whose content changes under those that hold it. */
export interface LiveCatalog {
  readonly catalog: Catalog;
  readonly replace: (next: Catalog) => void;
}

export function createLiveCatalog(first: Catalog): LiveCatalog {
  let current = first;
  /** By provider, the last catalog that had it: a call that outlives its provider's entry costs what it cost before. */
  const lastWith = new Map<string, Catalog>();
  const priceCall: Catalog['priceCall'] = (call) =>
    (current.findProvider(call.provider) === undefined ? (lastWith.get(call.provider) ?? current) : current).priceCall(
      call,
    );
  // Whatever a catalog has is read from the one in force: a member that is added to `Catalog` needs no line here.
  const catalog = new Proxy(first, {
    get: (_first, member) => (member === 'priceCall' ? priceCall : (Reflect.get(current, member) as unknown)),
  });
  return {
    catalog,
    replace(next) {
      for (const { id } of current.providers) if (next.findProvider(id) === undefined) lastWith.set(id, current);
      current = next;
    },
  };
}
