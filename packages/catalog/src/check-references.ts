import * as z from 'zod';
import type { ConfigFault, ProviderConfig } from './catalog.ts';
import { providerKinds } from './provider-kinds.ts';

// Names are read leniently from the files as they stand: a fault elsewhere in a file must hide no fault between files.
const anyText = z.string().optional().catch(undefined);
const RawProviders = z.object({ providers: z.array(z.object({ id: anyText }).catch({ id: undefined })) });
const RawBudgets = z.object({
  budgets: z.array(z.object({ name: anyText, provider: anyText }).catch({ name: undefined, provider: undefined })),
});
const RawModels = z.object({
  serviceTiers: z.record(z.string(), z.unknown()).optional().catch(undefined),
  models: z.array(z.object({ provider: anyText, id: anyText }).catch({ provider: undefined, id: undefined })),
});
const RawRouting = z.object({ auto: z.object({ candidates: z.array(anyText) }) });

interface RawFile {
  source: string;
  /** Absent when the file could not be read: then nothing is compared with it. */
  raw?: unknown;
}

/** Faults that no single file shows: the same name twice, and names that another file does not have. */
export function checkReferences(files: { providers: RawFile; models: RawFile; routing: RawFile }): ConfigFault[] {
  const providers = RawProviders.safeParse(files.providers.raw).data?.providers.map(({ id }) => id);
  const rawModels = RawModels.safeParse(files.models.raw).data;
  const models = rawModels?.models;
  const tiered = Object.keys(rawModels?.serviceTiers ?? {});
  const names = models?.map(({ provider, id }) => (provider && id ? `${provider}/${id}` : undefined));
  const candidates = RawRouting.safeParse(files.routing.raw).data?.auto.candidates;
  const budgets = RawBudgets.safeParse(files.providers.raw).data?.budgets;
  return [
    ...findRepeated(
      budgets?.map(({ name }) => name),
      (index, first) => ({
        source: files.providers.source,
        path: `budgets[${index}].name`,
        expected: `a unique name (budgets[${first}] has this one)`,
      }),
    ),
    ...findUnknown(
      budgets?.map(({ provider }) => provider),
      providers,
      (index) => ({
        source: files.providers.source,
        path: `budgets[${index}].provider`,
        expected: `a provider of this file (${list(providers)})`,
      }),
    ),
    ...findRepeated(providers, (index, first) => ({
      source: files.providers.source,
      path: `providers[${index}].id`,
      expected: `a unique id (providers[${first}] has this one)`,
    })),
    ...findRepeated(names, (index, first) => ({
      source: files.models.source,
      path: `models[${index}].id`,
      expected: `a model that is not listed twice (models[${first}] is the same)`,
    })),
    ...findUnknown(
      models?.map(({ provider }) => provider),
      providers,
      (index) => ({
        source: files.models.source,
        path: `models[${index}].provider`,
        expected: `a provider of providers.json (${list(providers)})`,
      }),
    ),
    ...findUnknown(tiered, providers && [...providers, ...providerKinds], (index) => ({
      source: files.models.source,
      path: `serviceTiers.${tiered[index]}`,
      expected: `a provider of providers.json (${list(providers)}), or a kind (${providerKinds.join(', ')})`,
    })),
    ...findUnknown(candidates, names, (index) => ({
      source: files.routing.source,
      path: `auto.candidates[${index}]`,
      expected: 'a model of models.json, as provider/model-id',
    })),
  ];
}

/** An OpenAI-compatible server has no address that could be assumed. */
export function checkBaseUrls(source: string, providers: readonly ProviderConfig[]): ConfigFault[] {
  return providers.flatMap((provider, index) =>
    provider.kind === 'openai-compatible' && provider.baseUrl === undefined
      ? [
          {
            source,
            path: `providers[${index}].baseUrl`,
            expected: `the server's address, here or in ${provider.baseUrlVariable}`,
          },
        ]
      : [],
  );
}

/** Ollama's own settings, which no other wire knows. */
export function checkOllamaFields(source: string, providers: readonly ProviderConfig[]): ConfigFault[] {
  return providers.flatMap((provider, index) =>
    (['keepAlive', 'contextLength'] as const).flatMap((field) =>
      provider.kind === 'ollama' || provider[field] === undefined
        ? []
        : [{ source, path: `providers[${index}].${field}`, expected: 'nothing: only the kind ollama knows it' }],
    ),
  );
}

/** `WORKER_PROVIDERS` may name providers that there are; with faults in their file none is known, and none at fault. */
export function findUnknownProviders(
  { providers }: { providers: readonly Pick<ProviderConfig, 'id'>[] },
  asked: readonly string[] = [],
): ConfigFault[] {
  const known = providers.map(({ id }) => id);
  if (known.length === 0) return [];
  return asked
    .filter((id) => !known.includes(id))
    .map((id) => ({
      source: 'environment',
      path: 'WORKER_PROVIDERS',
      expected: `only providers of config/providers.json (${known.join(', ')}), not "${id}"`,
    }));
}

type Names = readonly (string | undefined)[] | undefined;

function findRepeated(names: Names, toFault: (index: number, first: number) => ConfigFault): ConfigFault[] {
  return (names ?? []).flatMap((name, index, all) => {
    const first = all.indexOf(name);
    return name !== undefined && first < index ? [toFault(index, first)] : [];
  });
}

function findUnknown(names: Names, known: Names, toFault: (index: number) => ConfigFault): ConfigFault[] {
  if (known === undefined) return [];
  return (names ?? []).flatMap((name, index) => (name === undefined || known.includes(name) ? [] : [toFault(index)]));
}

function list(names: Names): string {
  return [...new Set(names)].filter((name) => name !== undefined).join(', ');
}
