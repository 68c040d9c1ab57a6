import type { Caller } from './caller.ts';
import type { Resources } from './resources.ts';

/** As many as a client is shown. */
const most = 100;

/** Names that begin so, aliases first, then what can be asked, then the rest of the catalog. No provider is asked. */
export async function completeModel(resources: Resources, caller: Caller, begun: string): Promise<string[]> {
  const { catalog, listing, preferences, providers } = resources;
  const { set } = await preferences.read(caller.client);
  const states = await providers.list().catch(() => []);
  const away = new Set(states.flatMap(({ id, configured }) => (configured === false ? [id] : [])));
  const models = [...catalog.listModels(), ...listing.known()];
  const names = models.map(({ provider, id }) => `${provider}/${id}`);
  const [ready, rest] = [names.filter((_, at) => !isAway(at)), names.filter((_, at) => isAway(at))];
  const all = [
    ...set.aliases.map(({ name }) => name),
    'auto',
    ...Object.keys(catalog.routing.pools),
    ...ready,
    ...rest,
  ];
  const wanted = begun.trim().toLowerCase();
  const matches = (name: string) =>
    name.toLowerCase().startsWith(wanted) ||
    name
      .slice(name.indexOf('/') + 1)
      .toLowerCase()
      .startsWith(wanted);
  return [...new Set(all.filter(matches))].slice(0, most);

  function isAway(at: number): boolean {
    return away.has(models[at]?.provider ?? '');
  }
}
