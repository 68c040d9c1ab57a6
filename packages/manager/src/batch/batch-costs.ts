import { type Catalog, estimateOutput, estimateTokens, expectOutput } from '@aimm/catalog';
import type { BatchItem, GenerationSettings } from '@aimm/contracts';
import type { NewColumn } from '@aimm/database';

/** A verdict and its reason, and what the judge is told besides the answers. */
const [verdictTokens, instructionTokens] = [150, 200];

/** What a batch is expected to cost: summed up item by item, priced by column. */
export interface BatchCosts {
  add(item: BatchItem): void;
  /** What one generation of each column costs on average, and all of them together; null where the price is unknown. */
  price(at: number): { byColumn: Map<number, number | null>; totalNanoUsd: number | null };
}

/** Items of one size and service tier: prices go by both at some vendors. */
interface Bin {
  serviceTier: string | undefined;
  items: number;
  input: number;
  output: number;
}

/**
 * Answers are taken to be as long as `estimate_cost` takes them to be. A judge's input is the item and the answers that it
 * reads. `columns`: those to be priced; `read`: those and the ones that judges among them read; `criteria`: what judges go by.
 */
export function createBatchCosts(
  catalog: Catalog,
  columns: readonly NewColumn[],
  { read = columns, criteria = '' }: { read?: readonly NewColumn[]; criteria?: string | undefined } = {},
): BatchCosts {
  const sums = columns.map((column) => {
    const kind = catalog.findProvider(column.provider)?.kind ?? column.provider;
    return { column, kind, given: countSettings(column.template.settings, kind), bins: new Map<string, Bin>() };
  });
  const outputOf = ({ provider, model, template }: NewColumn, { settings }: BatchItem) => {
    const own = { ...template.settings, ...settings };
    return Math.min(expectOutput(own), estimateOutput(catalog, { provider, model, settings: own }));
  };
  let items = 0;

  return {
    add(item) {
      items += 1;
      const tokens = new Map<string, number>();
      const messagesOf = (kind: string) => {
        const known = tokens.get(kind) ?? estimateTokens({ messages: item.messages }, kind);
        tokens.set(kind, known);
        return known;
      };
      const { settings: own } = item;
      const bringsOwn = own?.tools !== undefined || own?.responseFormat !== undefined;
      for (const { column, kind, given, bins } of sums) {
        const { judges, template } = column;
        const answers = read.filter(({ number }) => judges?.includes(number) === true);
        const input =
          messagesOf(kind) +
          (judges === undefined
            ? countText(template.system ?? '') +
              (bringsOwn ? countSettings({ ...template.settings, ...own }, kind) : given)
            : instructionTokens +
              countText(criteria) +
              answers.reduce((sum, answer) => sum + outputOf(answer, item), 0));
        const size = Math.floor(Math.log2(Math.max(1, input)));
        const serviceTier = tierOf(column, item);
        const key = `${size} ${serviceTier}`;
        const bin = bins.get(key) ?? { items: 0, input: 0, output: 0 };
        bins.set(key, {
          serviceTier,
          items: bin.items + 1,
          input: bin.input + input,
          output: bin.output + (judges === undefined ? outputOf(column, item) : verdictTokens),
        });
      }
    },
    price(at) {
      const byColumn = new Map<number, number | null>();
      let totalNanoUsd: number | null = 0;
      for (const { column, bins } of sums) {
        const cost = [...bins.values()].reduce<number | null>((sum, bin) => {
          const { costNanoUsd } = catalog.priceCall({
            provider: column.provider,
            model: column.model,
            usage: {
              inputTokens: Math.round(bin.input / bin.items),
              outputTokens: Math.round(bin.output / bin.items),
            },
            at,
            serviceTier: bin.serviceTier,
          });
          return sum === null || costNanoUsd === null ? null : sum + costNanoUsd * bin.items;
        }, 0);
        byColumn.set(column.number, cost === null ? null : cost / Math.max(1, items));
        totalNanoUsd = totalNanoUsd === null || cost === null ? null : totalNanoUsd + cost;
      }
      return { byColumn, totalNanoUsd: totalNanoUsd === null ? null : Math.round(totalNanoUsd) };
    },
  };
}

/** Tools and a schema. */
function countSettings(settings: GenerationSettings, kind: string): number {
  return estimateTokens({ messages: [], settings }, kind);
}

/** A vendor's batch is a tier of its own; what an item asks for is not its judge's. */
function tierOf({ lane, judges, template }: NewColumn, { settings }: BatchItem): string | undefined {
  if (lane === 'provider_batch') return 'batch';
  return (judges === undefined ? settings?.serviceTier : undefined) ?? template.settings.serviceTier;
}

/** Four characters are about one token. */
function countText(text: string): number {
  return Math.ceil(text.length / 4);
}
