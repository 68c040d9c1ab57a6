import { listDays } from '@aimm/runtime/calendar';

const minuteMs = 60_000;
/** Of a roll-up, in minutes. Clocks of every zone are ahead of UTC by whole quarters of an hour, so a day anywhere is whole pieces. */
export const rollupWidths = [15, 60, 360, 1_440] as const;
const [finest] = rollupWidths;
const finestMs = finest * minuteMs;

/** Half open, epoch milliseconds; `day` names the group it counts for, '' where days are not told apart. */
export interface Span {
  day: string;
  from: number;
  to: number;
}

/** Where a report finds what lies in its span. */
export interface UsageSpans {
  /** Roll-ups of one width that begin in the span. */
  pieces: (Span & { width: number })[];
  /** Beside the roll-ups count rows that are not in them yet. */
  fresh: Span[];
  /** Cut through a roll-up: every row of the ledger counts by itself. */
  edges: Span[];
  widened: boolean;
}

/** `deletedBefore`: rows that started earlier may be gone; what cuts there is widened to whole roll-ups. */
export function toUsageSpans(
  span: { from: number; to: number; timeZone?: string | undefined; byDay: boolean },
  deletedBefore: number,
): UsageSpans {
  const spans: UsageSpans = { pieces: [], fresh: [], edges: [], widened: false };
  const { from, to, timeZone = 'UTC', byDay } = span;
  if (from >= to) return spans;
  const days = byDay ? listDays({ from, to, timeZone }) : [{ date: '', startsAt: from, endsAt: to }];
  for (const { date: day, startsAt, endsAt } of days) {
    addSpan(spans, { day, from: Math.max(from, startsAt), to: Math.min(to, endsAt) }, deletedBefore);
  }
  return spans;
}

function addSpan(spans: UsageSpans, { day, from, to }: Span, deletedBefore: number): void {
  let [start, end] = [Math.ceil(from / finestMs) * finestMs, Math.floor(to / finestMs) * finestMs];
  if (start !== from && start - finestMs < deletedBefore) start -= finestMs;
  if (end !== to && end < deletedBefore) end += finestMs;
  spans.widened ||= start < from || end > to;
  if (start >= end) {
    if (from < to) spans.edges.push({ day, from, to });
    return;
  }
  if (from < start) spans.edges.push({ day, from, to: start });
  if (end < to) spans.edges.push({ day, from: end, to });
  spans.fresh.push({ day, from: start, to: end });
  addPieces(spans.pieces, { day, from: start, to: end });
}

/** As few and as wide roll-ups as make up the span, which begins and ends with one. */
function addPieces(pieces: UsageSpans['pieces'], { day, from, to }: Span): void {
  for (let at = from; at < to;) {
    const width = rollupWidths.findLast((each) => at % (each * minuteMs) === 0 && at + each * minuteMs <= to) ?? finest;
    const next = at + width * minuteMs;
    const last = pieces.at(-1);
    if (last?.day === day && last.width === width && last.to === at) last.to = next;
    else pieces.push({ day, width, from: at, to: next });
    at = next;
  }
}

/** When the roll-up of that width began in which `at` lies. */
export function toRollupStart(at: number, widthMinutes: number): number {
  return Math.floor(at / (widthMinutes * minuteMs)) * widthMinutes * minuteMs;
}

/** The last time up to `at` at which a roll-up begins. */
export function toRollupEdge(at: number): number {
  return toRollupStart(at, finest);
}
