import * as z from 'zod';
import type { ConfigFault } from './catalog.ts';

// Read leniently, as in check-references.ts: what has another shape is a fault of the file itself, and told there.
const names = z.array(z.string().catch('')).optional().catch(undefined);
const record = <T extends z.ZodType>(value: T) => z.record(z.string(), value).optional().catch(undefined);
const RawRouting = z.object({
  tiers: record(names),
  rules: record(z.object({ candidates: names }).optional().catch(undefined)),
  fallbacks: record(
    z
      .union([names.unwrap(), z.object({ models: names })])
      .optional()
      .catch(undefined),
  ),
  pools: record(names),
});
const RawProviders = z.object({ providers: z.array(z.object({ id: z.string(), kind: z.string() })) });
const RawModels = z.object({ models: z.array(z.object({ provider: z.string(), id: z.string() })) });

/** Kinds whose models nobody but the host knows: what is pulled there, what is served there. */
const hostKnowsBest: ReadonlySet<string> = new Set(['ollama', 'openai-compatible']);

interface RawFile {
  source: string;
  raw?: unknown;
}

/** Faults of tiers, rules, fallbacks and pools that show only beside the other files: names of nothing, chains back to themselves. */
export function checkRouting(files: { providers: RawFile; models: RawFile; routing: RawFile }): ConfigFault[] {
  const routing = RawRouting.safeParse(files.routing.raw).data;
  const providers = RawProviders.safeParse(files.providers.raw).data?.providers;
  const models = RawModels.safeParse(files.models.raw).data?.models;
  if (routing === undefined || providers === undefined || models === undefined) return [];
  const known = new Set(models.map(({ provider, id }) => `${provider}/${id}`));
  const kinds = new Map(providers.map(({ id, kind }) => [id, kind]));
  const pools = new Set(Object.keys(routing.pools ?? {}));
  const isModel = (name: string) => known.has(name) || hostKnowsBest.has(kinds.get(name.split('/', 1)[0] ?? '') ?? '');
  const isAskable = (name: string) => isModel(name) || pools.has(name);
  const fault = (path: string, expected: string): ConfigFault => ({ source: files.routing.source, path, expected });

  const check = (path: string, list: readonly string[] | undefined, self?: string): ConfigFault[] =>
    (list ?? []).flatMap((name, index) => {
      // What is no text is told by the file's own check.
      if (name === '') return [];
      if (name === self) return [fault(`${path}[${index}]`, 'another model than the one that failed')];
      return isAskable(name)
        ? []
        : [fault(`${path}[${index}]`, 'a model of models.json, as provider/model-id, or a pool')];
    });
  const entries = <T>(part: Record<string, T> | undefined): [string, T][] => Object.entries(part ?? {});

  return [
    ...entries(routing.tiers).flatMap(([tier, list]) => check(`tiers.${tier}`, list)),
    ...entries(routing.rules).flatMap(([rule, body]) => check(`rules.${rule}.candidates`, body?.candidates)),
    ...entries(routing.fallbacks).flatMap(([from, chain]) => [
      ...(from === '*' || isAskable(from)
        ? []
        : [fault(`fallbacks.${from}`, 'a model of models.json, as provider/model-id, a pool, or *')]),
      ...(Array.isArray(chain)
        ? check(`fallbacks.${from}`, chain, from)
        : check(`fallbacks.${from}.models`, chain?.models, from)),
    ]),
    ...entries(routing.pools).flatMap(([pool, list]) =>
      (list ?? []).flatMap((name, index) =>
        name === '' || isModel(name)
          ? []
          : [fault(`pools.${pool}[${index}]`, 'a model of models.json, as provider/model-id')],
      ),
    ),
  ];
}
