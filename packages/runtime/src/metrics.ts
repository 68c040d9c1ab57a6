import type { CounterDefinition, LabelsOf, MetricDefinition } from './metrics/definition.ts';
import { type GaugeKey, type Gauges, gauges } from './metrics/gauges.ts';
import { toSpread } from './metrics/spread.ts';
import { parseField } from './metrics/tally.ts';
import { totals } from './metrics/totals.ts';

/** What one process tells Prometheus: what all counted together, what stands now, and how the process itself fares. */
export interface Metrics {
  readonly contentType: string;
  /** Begins anew: everything that `set` and `load` gave before is forgotten. */
  clear(): void;
  set<K extends GaugeKey>(key: K, labels: LabelsOf<Gauges[K]>, value: number): void;
  /**
   * Takes over sums by field, as tallies count them. Fields of metrics that this release does not have are passed over. A counter
   * all of whose labels have `known` values shows 0 for what was never counted: only then is its first event an increase.
   */
  load(sums: ReadonlyMap<string, number>, known?: KnownValues): void;
  text(): Promise<string>;
  close(): void;
}

/** Every metric of ours; a process's own (`process_…`, `nodejs_…`) come on top. */
export const metricDefinitions: readonly MetricDefinition[] = [...Object.values(totals), ...Object.values(gauges)];

type KnownValues = Readonly<Record<string, readonly string[]>>;
type Row = { values: string[]; count: number };

/** A registry of its own, with the process's own metrics in it. Loads `prom-client`, which others need not. */
export async function createMetrics(): Promise<Metrics> {
  const { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } = await import('prom-client');
  const own = new Registry();
  collectDefaultMetrics({ register: own });
  let rows: ReadonlyMap<string, Row[]> | undefined;
  let knownValues: KnownValues = {};
  let standing: { key: GaugeKey; labels: Record<string, string>; value: number }[] = [];

  /** Counted elsewhere. `prom-client` cannot be told sums; its registry asks this method first. */
  class LoadedHistogram extends Histogram {
    shown: unknown;
    getForPromString = () => Promise.resolve(this.shown);
  }

  const register = (definition: MetricDefinition, registry: InstanceType<typeof Registry>) => {
    const { name, help, labels } = definition;
    const config = { name, help, labelNames: [...labels], registers: [registry] };
    const found = rows?.get(name) ?? [];
    const labelsOf = ({ values }: Row) =>
      Object.fromEntries(labels.map((label, index) => [label, values[index] ?? '']));
    switch (definition.type) {
      case 'counter': {
        const counter = new Counter(config);
        for (const known of combine(definition, knownValues)) counter.inc(known, 0);
        for (const row of found) counter.inc(labelsOf(row), row.count / definition.perUnit);
        return;
      }
      case 'histogram':
        new LoadedHistogram(config).shown = { name, help, type: 'histogram', values: toSpread(definition, found) };
        return;
      case 'gauge': {
        const values = standing.filter(({ key }) => gauges[key].name === name);
        if (values.length === 0) return;
        const gauge = new Gauge(config);
        for (const { labels: given, value } of values) gauge.set(given, value);
      }
    }
  };

  return {
    contentType: own.contentType,
    clear() {
      rows = undefined;
      standing = [];
    },
    set: (key, labels, value) => void standing.push({ key, labels, value }),
    load(sums, known = {}) {
      rows = toRows(sums);
      knownValues = known;
    },
    async text() {
      const registry = new Registry();
      // What nobody could read is absent: a counter that falls to 0 would pass for a restart.
      const shown = metricDefinitions.filter(({ type }) => type === 'gauge' || rows !== undefined);
      for (const definition of shown) register(definition, registry);
      return `${await registry.metrics()}\n${await own.metrics()}`;
    },
    close: () => own.clear(),
  };
}

/** Every combination of values that the labels may have; none where those of one label are not known. */
function combine({ labels, values }: CounterDefinition, known: KnownValues): Record<string, string>[] {
  return labels.reduce<Record<string, string>[]>(
    (begun, label) =>
      begun.flatMap((one) => (values[label] ?? known[label] ?? []).map((value) => ({ ...one, [label]: value }))),
    [{}],
  );
}

function toRows(sums: ReadonlyMap<string, number>): Map<string, Row[]> {
  const rows = new Map<string, Row[]>();
  for (const [field, count] of sums) {
    const [name, ...values] = parseField(field) ?? [];
    if (name === undefined) continue;
    rows.set(name, [...(rows.get(name) ?? []), { values, count }]);
  }
  return rows;
}
