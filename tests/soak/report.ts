import type { LedgerRow } from '@aimm/contracts';
import type { SoakSettings } from './env.ts';
import { bounds, growthOf, type Measure, residentAtMostKb, type Series } from './samples.ts';
import type { Asked } from './soak-client.ts';

/** What a run came to, for people and as JSON. */
export interface Report {
  fault(name: string): void;
  round(round: { asked: readonly Asked[]; calls: number; rows: readonly LedgerRow[]; ranThoughRefused: number }): void;
  /** A batch or a conversation has held: how many rows it added to the ledger, and what it came to. */
  whole(what: 'batches' | 'conversations', counts: Record<string, number>, rows?: number): void;
  sample(what: string, values: Partial<Record<Measure, number>>): void;
  redis(values: { streamsKb: number; keys: number }): void;
  /** How far the run is. */
  line(): string;
  table(): string;
  figures(): object;
  /** What grew by more than its bound, which a few samples do not tell, or is larger; empty as it should be. */
  grown(): string[];
}

/** Fewer samples than this say nothing about growth. */
const fewestSamples = 6;

export function createReport(settings: SoakSettings, seed: string): Report {
  const startedAt = Date.now();
  const faults: Record<string, number> = {};
  const told: Record<string, number> = {};
  const rowsBy: Record<string, number> = {};
  const series = new Map<string, Series>();
  const wholes: Record<string, Record<string, number>> = {};
  const sums = { rounds: 0, requests: 0, calls: 0, ledgerRows: 0, ranThoughRefused: 0 };
  let lastRedis = { streamsKb: 0, keys: 0 };
  const count = (counts: Record<string, number>, name: string) => (counts[name] = (counts[name] ?? 0) + 1);
  const elapsedMs = () => Date.now() - startedAt;

  const growths = () =>
    [...series.values()].map((each) => ({
      what: each.what,
      measure: each.measure,
      first: Math.round(each.samples[0]?.value ?? 0),
      last: Math.round(each.samples.at(-1)?.value ?? 0),
      perMinute: Number(growthOf(each).toFixed(2)),
      bound: each.measure === 'residentKb' ? undefined : bounds[each.measure],
      atMost: each.measure === 'residentKb' ? residentAtMostKb : undefined,
      samples: each.samples.map(({ value }) => Math.round(value)),
    }));

  const isTooShort = () => [...series.values()].every(({ samples }) => samples.length < fewestSamples);

  const report: Report = {
    fault: (name) => void count(faults, name),
    round({ asked, calls, rows, ranThoughRefused }) {
      sums.rounds += 1;
      sums.requests += asked.length;
      sums.calls += calls;
      sums.ledgerRows += rows.length;
      sums.ranThoughRefused += ranThoughRefused;
      for (const { refused, refusal, told: end } of asked) {
        count(told, refused ? toRefusal(refusal) : (end?.error?.code ?? end?.status ?? 'its client had gone'));
      }
      for (const { status } of rows) count(rowsBy, status);
    },
    whole(what, counts, rows = 0) {
      const own = (wholes[what] ??= { all: 0 });
      count(own, 'all');
      for (const [name, times] of Object.entries(counts)) own[name] = (own[name] ?? 0) + times;
      sums.ledgerRows += rows;
    },
    sample(what, values) {
      for (const [name, value] of Object.entries(values)) {
        const measure = name as Measure; // the keys of its type
        const key = `${what} ${measure}`;
        const own = series.get(key) ?? { what, measure, samples: [] };
        own.samples.push({ at: elapsedMs(), value });
        series.set(key, own);
      }
    },
    redis: (values) => void (lastRedis = values),
    line() {
      const heaps = growths().filter(({ measure }) => measure === 'heapKb' || measure === 'redisKb');
      const sizes = heaps.map(({ what, last }) => `${what} ${last} KB`).join(', ');
      return `${(elapsedMs() / 60_000).toFixed(1)} min, round ${sums.rounds}: ${sums.requests} requests, ${sums.calls} calls, ${sums.ledgerRows} rows; ${sizes}`;
    },
    table() {
      const lines = growths().map(({ what, measure, first, last, perMinute, bound, atMost }) =>
        [
          what.padEnd(8),
          measure.padEnd(12),
          ...[first, last, perMinute, bound ?? `≤ ${atMost}`].map((n) => String(n).padStart(10)),
        ].join(''),
      );
      const head = [
        'what'.padEnd(8),
        'measure'.padEnd(12),
        ...['first', 'last', 'a minute', 'bound'].map((n) => n.padStart(10)),
      ].join('');
      return [
        `seed ${seed}, ${settings.database}, ${(elapsedMs() / 60_000).toFixed(1)} minutes, ${sums.rounds} rounds`,
        `${sums.requests} requests, ${sums.calls} calls, ${sums.ledgerRows} ledger rows: every promise held after every round`,
        `told: ${toList(told)}`,
        `rows: ${toList(rowsBy)}`,
        ...Object.entries(wholes).map(([what, counts]) => `${what}: ${toList(counts)}`),
        `faults: ${toList(faults)}`,
        `refused, and ran nevertheless: ${sums.ranThoughRefused}`,
        `Redis streams at the end: ${Math.round(lastRedis.streamsKb)} KB, keys: ${lastRedis.keys}`,
        '',
        head,
        ...lines,
        ...(isTooShort() ? ['too short to tell what grows: only sizes were held to their bounds'] : []),
      ].join('\n');
    },
    figures: () => ({
      date: new Date(startedAt).toISOString(),
      seed,
      ...settings,
      tookMinutes: Number((elapsedMs() / 60_000).toFixed(1)),
      ...sums,
      told,
      rows: rowsBy,
      ...wholes,
      faults,
      redis: lastRedis,
      growth: growths(),
    }),
    grown: () =>
      growths()
        .filter(
          ({ last, perMinute, bound = Infinity, atMost = Infinity }) =>
            (!isTooShort() && perMinute > bound) || last > atMost,
        )
        .map(({ what, measure, last, perMinute, bound, atMost }) =>
          bound === undefined
            ? `${what}: ${measure} is ${last}, more than ${atMost}`
            : `${what}: ${measure} grows by ${perMinute} a minute, bound ${bound}`,
        ),
  };
  return report;
}

function toRefusal(code: string | undefined): string {
  return code === 'invalid_request' ? 'refused: another turn was under way' : `refused: ${code}`;
}

function toList(counts: Record<string, number>): string {
  const sorted = Object.entries(counts).toSorted(([, left], [, right]) => right - left);
  return sorted.map(([name, times]) => `${name} ${times}`).join(', ');
}
