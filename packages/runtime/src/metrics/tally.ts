import type { LabelsOf } from './definition.ts';
import { type CounterKey, type HistogramKey, type Totals, totals } from './totals.ts';

/** Counts in memory until somebody takes the counts away. */
export interface Tally {
  /** `by` is in the smallest unit: nano-dollars, tokens, jobs. */
  count<K extends CounterKey>(key: K, labels: LabelsOf<Totals[K]>, by?: number): void;
  observe<K extends HistogramKey>(key: K, labels: LabelsOf<Totals[K]>, ms: number): void;
  /** What was counted since it was last asked: integers by field name (see {@link toField}). */
  take(): Map<string, number>;
}

/** The last part of a histogram's field: an upper bound in seconds, or the sum in milliseconds. */
export const sumField = 'sum';
export const lastBucket = '+Inf';

/** A metric's name and label values, and a bucket where it is a histogram: how one number is named in Redis. */
function toField(name: string, ...values: readonly string[]): string {
  return JSON.stringify([name, ...values]);
}

/** The parts of a field; undefined for what is none. */
export function parseField(field: string): string[] | undefined {
  try {
    const parts: unknown = JSON.parse(field);
    return Array.isArray(parts) && parts.every((part) => typeof part === 'string') ? parts : undefined;
  } catch {
    return undefined;
  }
}

export function createTally(): Tally {
  let counts = new Map<string, number>();
  const add = (field: string, by: number) => {
    if (by > 0) counts.set(field, (counts.get(field) ?? 0) + Math.round(by));
  };
  const valuesOf = (labels: readonly string[], given: Readonly<Record<string, string>>) =>
    labels.map((label) => given[label] ?? '');

  return {
    count(key, labels, by = 1) {
      const definition = totals[key];
      add(toField(definition.name, ...valuesOf(definition.labels, labels)), by);
    },
    observe(key, labels, ms) {
      const { name, labels: names, buckets } = totals[key];
      const values = valuesOf(names, labels);
      const bound = buckets.find((seconds) => ms <= seconds * 1_000);
      add(toField(name, ...values, bound === undefined ? lastBucket : String(bound)), 1);
      add(toField(name, ...values, sumField), ms);
    },
    take() {
      const taken = counts;
      counts = new Map();
      return taken;
    },
  };
}
