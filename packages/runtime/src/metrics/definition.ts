/**
 * A number that only grows. Counted in integers, since Redis adds those up: `perUnit` of them are one of the metric's unit.
 * `values`: all that a label may be, where that is the same in every system.
 */
export interface CounterDefinition<L extends string = string> {
  type: 'counter';
  name: string;
  labels: readonly L[];
  help: string;
  perUnit: number;
  values: Partial<Record<L, readonly string[]>>;
}

/** How durations are spread. Observed in milliseconds, shown in seconds; `buckets` are upper bounds in seconds. */
export interface HistogramDefinition<L extends string = string> {
  type: 'histogram';
  name: string;
  labels: readonly L[];
  help: string;
  buckets: readonly number[];
}

/** A number that stands at something when it is asked for. */
export interface GaugeDefinition<L extends string = string> {
  type: 'gauge';
  name: string;
  labels: readonly L[];
  help: string;
}

export type MetricDefinition = CounterDefinition | HistogramDefinition | GaugeDefinition;

/** The label of every model that the catalog does not know: users may ask for any by its id, and labels have few values. */
export const otherModel = 'other';

/** One value per label. */
export type LabelsOf<D extends { labels: readonly string[] }> = Readonly<Record<D['labels'][number], string>>;

export function counter<const L extends string>(
  name: string,
  labels: readonly L[],
  help: string,
  { perUnit = 1, values = {} }: Partial<Pick<CounterDefinition<L>, 'perUnit' | 'values'>> = {},
): CounterDefinition<L> {
  return { type: 'counter', name, labels, help, perUnit, values };
}

export function histogram<const L extends string>(
  name: string,
  labels: readonly L[],
  help: string,
  buckets: readonly number[],
): HistogramDefinition<L> {
  return { type: 'histogram', name, labels, help, buckets };
}

export function gauge<const L extends string>(name: string, labels: readonly L[], help: string): GaugeDefinition<L> {
  return { type: 'gauge', name, labels, help };
}
