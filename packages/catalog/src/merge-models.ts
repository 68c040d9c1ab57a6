import type { Capability } from '@aimm/contracts';
import type { ProviderConfig } from './catalog.ts';
import type { ModelEntry, ModelsFile } from './config-schemas.ts';
import { toFamilyId } from './model-names.ts';
import type { PublishedModel, PublishedModels } from './published-models.ts';

export interface MergedModels {
  file: ModelsFile;
  /** `provider/model-id`. */
  added: string[];
  changed: { model: string; fields: FieldChange[] }[];
  /** In the file, but not published any more, or as deprecated. */
  doubtful: string[];
  /** Providers of a vendor of whom the list has nothing: their models stand as they stood. */
  unlisted: string[];
}

/** A field of an entry as it was and as it is now; absent where it was not there. */
export interface FieldChange {
  field: string;
  from?: unknown;
  to: unknown;
}

/** The name under which the list has a vendor whose kind speaks to that vendor only; others go by the provider's id. */
const vendorOfKind: Readonly<Record<string, string>> = {
  openai: 'openai',
  anthropic: 'anthropic',
  google: 'google',
  mistral: 'mistral',
};

/**
 * Brings models.json up to date. Published limits replace the file's; modalities and capabilities are added, none is
 * taken away. Quirks, prices and whatever else was put in by hand stay. Of models that the file lacks those are added
 * that came out since it was last checked: older ones were left out by choice.
 *
 * `today` becomes `checkedOn`.
 */
export function mergeModels(
  file: ModelsFile,
  published: PublishedModels,
  { providers, today }: { providers: readonly ProviderConfig[]; today: string },
): MergedModels {
  const { checkedOn, models } = file;
  const listOf = ({ id, kind }: ProviderConfig) => published.get(vendorOfKind[kind] ?? id);
  const changed: MergedModels['changed'] = [];
  const doubtful: string[] = [];
  const updated = models.map((entry) => {
    const provider = providers.find(({ id }) => id === entry.provider);
    const list = provider && listOf(provider);
    if (list === undefined) return entry;
    const found = list.get(entry.id);
    const model = `${entry.provider}/${entry.id}`;
    if (found === undefined || found.status === 'deprecated') doubtful.push(model);
    if (found === undefined) return entry;
    const next = update(entry, found);
    const fields = fieldsIn(next)
      .filter((field) => JSON.stringify(next[field]) !== JSON.stringify(entry[field]))
      .map((field) => ({ field, ...(entry[field] !== undefined && { from: entry[field] }), to: next[field] }));
    if (fields.length > 0) changed.push({ model, fields });
    return next;
  });

  const known = new Set(models.map(({ provider, id }) => `${provider}/${id}`));
  const added = providers.flatMap((provider) =>
    vendorOfKind[provider.kind] === undefined
      ? []
      : [...(listOf(provider) ?? [])].flatMap(([id, model]) =>
          known.has(`${provider.id}/${id}`) || toFamilyId(id, provider.kind) !== id || !isNew(model, checkedOn)
            ? []
            : [toEntry(provider.id, id, model)],
        ),
  );
  return {
    file: { ...file, checkedOn: today, models: insert(updated, added) },
    added: added.map(({ provider, id }) => `${provider}/${id}`),
    changed,
    doubtful,
    unlisted: providers
      .filter((provider) => vendorOfKind[provider.kind] !== undefined && listOf(provider) === undefined)
      .map(({ id }) => id),
  };
}

/** Of what vendors publish, what answers in text and can be talked to. */
function isNew(
  { release_date: releasedOn, tool_call: talks, modalities, status }: PublishedModel,
  since: string,
): boolean {
  const answersInText = modalities?.output?.includes('text') ?? false;
  return releasedOn !== undefined && releasedOn >= since && talks === true && answersInText && status !== 'deprecated';
}

function update(entry: ModelEntry, { limit, modalities, ...published }: PublishedModel): ModelEntry {
  return inOrder({
    ...entry,
    ...(entry.name === undefined && published.name !== undefined && { name: published.name }),
    ...(limit?.context !== undefined && { contextWindow: limit.context }),
    ...(limit?.output !== undefined && { maxOutputTokens: limit.output }),
    ...joined('inputModalities', entry.inputModalities, toModalities(modalities?.input)),
    ...joined('outputModalities', entry.outputModalities, toModalities(modalities?.output)),
    ...joined('capabilities', entry.capabilities, toCapabilities({ modalities, ...published })),
  });
}

function toEntry(provider: string, id: string, model: PublishedModel): ModelEntry {
  const refused = [
    ...(model.temperature === false ? ['temperature', 'topP'] : []),
    ...(model.reasoning === false ? ['reasoningEffort'] : []),
  ];
  const basic: ModelEntry = { provider, id, capabilities: ['text', 'streaming'] };
  return update({ ...basic, ...(refused.length > 0 && { quirks: { unsupported: refused } }) }, model);
}

function toCapabilities({ tool_call: tools, structured_output: schema, reasoning, modalities }: PublishedModel) {
  const input = toModalities(modalities?.input);
  const has: [Capability, boolean | undefined][] = [
    ['tools', tools],
    ['json', schema],
    ['json_schema', schema],
    ['images', input.includes('image')],
    ['files', input.includes('file')],
    ['reasoning', reasoning],
  ];
  return has.flatMap(([capability, there]) => (there === true ? [capability] : []));
}

const modalityNames = { text: 'text', image: 'image', audio: 'audio', video: 'video', pdf: 'file' } as const;

function toModalities(published: readonly string[] = []): (typeof modalityNames)[keyof typeof modalityNames][] {
  return Object.entries(modalityNames).flatMap(([theirs, ours]) => (published.includes(theirs) ? [ours] : []));
}

/** `{ [field]: all of both }`, to be spread; nothing where both are empty. */
function joined<F extends string, T>(field: F, kept: readonly T[] = [], found: readonly T[] = []) {
  const all = [...new Set([...kept, ...found])];
  // A computed key widens to string; it is F.
  return (all.length === 0 ? {} : { [field]: all }) as { [key in F]?: T[] };
}

const order = [
  'provider',
  'id',
  'name',
  'contextWindow',
  'maxOutputTokens',
  'inputModalities',
  'outputModalities',
  'capabilities',
] as const;

/** What was added last stands where it stands in every other entry. */
function inOrder(entry: ModelEntry): ModelEntry {
  const first = order.flatMap((field) => (entry[field] === undefined ? [] : [[field, entry[field]] as const]));
  return { ...Object.fromEntries(first), ...entry, provider: entry.provider, id: entry.id };
}

function fieldsIn(entry: ModelEntry): (keyof ModelEntry)[] {
  return Object.keys(entry) as (keyof ModelEntry)[]; // an entry has no other keys
}

/** New models go after the last of their provider. */
function insert(models: readonly ModelEntry[], added: readonly ModelEntry[]): ModelEntry[] {
  const all = [...models];
  for (const entry of added) {
    const last = all.findLastIndex(({ provider }) => provider === entry.provider);
    all.splice(last === -1 ? all.length : last + 1, 0, entry);
  }
  return all;
}
