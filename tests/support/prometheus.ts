export interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}
export type Samples = readonly Sample[];

const namePattern = '[a-zA-Z_:][a-zA-Z0-9_:]*';
const labelPattern = String.raw`([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"`;
const valuePattern = String.raw`[+-]?(?:\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|Inf)|NaN`;
const samplePattern = new RegExp(
  String.raw`^(${namePattern})(?:\{((?:${labelPattern}(?:,(?=[a-zA-Z_])|(?=\})))*)\})? (${valuePattern})$`,
);

/**
 * Reads Prometheus' text format 0.0.4 as strictly as Prometheus does, and more: each family has its help and type before its
 * samples and comes once, no sample comes twice, and histograms are cumulative and whole. @throws at the first fault
 */
export function parseMetrics(text: string): Samples {
  if (!text.endsWith('\n')) throw new Error('the last line does not end');
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const seen = new Set<string>();
  const samples: Sample[] = [];
  let family = '';
  for (const line of text.split('\n').filter((each) => each !== '')) {
    const [, keyword, name = '', rest = ''] = new RegExp(`^# (HELP|TYPE) (${namePattern}) (.+)$`).exec(line) ?? [];
    if (keyword === 'HELP') {
      if (helped.has(name)) throw new Error(`two families are called ${name}`);
      helped.add(name);
    } else if (keyword === 'TYPE') {
      if (!helped.has(name) || !['counter', 'gauge', 'histogram', 'summary'].includes(rest)) throw new Error(line);
      types.set(name, rest);
      family = name;
    } else {
      const sample = parseSample(line);
      const suffixes = types.get(family) === 'histogram' ? '(_bucket|_sum|_count)' : '';
      if (!new RegExp(`^${family}${suffixes}$`).test(sample.name)) throw new Error(`out of place: ${line}`);
      const identity = JSON.stringify([sample.name, Object.entries(sample.labels).map(String).toSorted()]);
      if (seen.has(identity)) throw new Error(`twice: ${line}`);
      seen.add(identity);
      samples.push(sample);
    }
  }
  for (const [name, type] of types) if (type === 'histogram') requireWhole(name, samples);
  return samples;
}

function parseSample(line: string): Sample {
  const match = samplePattern.exec(line);
  if (match === null) throw new Error(`no sample: ${line}`);
  const [, name = '', labelText = ''] = match;
  const labels = [...labelText.matchAll(new RegExp(labelPattern, 'g'))].map(
    ([, label = '', value = '']) => [label, JSON.parse(`"${value}"`) as string] as const,
  );
  return { name, labels: Object.fromEntries(labels), value: toNumber(match.at(-1) ?? '') };
}

const toNumber = (text: string) => Number(text.replace('Inf', 'Infinity'));

function requireWhole(name: string, samples: Samples): void {
  const without = ({ le: _le, ...labels }: Record<string, string>) => JSON.stringify(labels);
  const counts = samples.filter((sample) => sample.name === `${name}_count`);
  for (const count of counts) {
    const buckets = samples
      .filter((sample) => sample.name === `${name}_bucket` && without(sample.labels) === without(count.labels))
      .toSorted((left, right) => toNumber(left.labels['le'] ?? '') - toNumber(right.labels['le'] ?? ''));
    const values = buckets.map(({ value }) => value);
    if (values.some((value, index) => value < (values[index - 1] ?? 0))) throw new Error(`${name} is not cumulative`);
    if (buckets.at(-1)?.labels['le'] !== '+Inf' || values.at(-1) !== count.value)
      throw new Error(`${name} is not whole`);
  }
}
