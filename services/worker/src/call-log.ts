import type { CallRecord, Checkpoint, GeneratePayload, LedgerRow, UnfitAnswer } from '@aimm/contracts';
import { toUnknownRow } from './ledger-rows.ts';

/** The calls that one job has made, over all of its runs, and the ledger rows they became. */
export interface CallLog {
  /** What to write where a crash must find it. */
  checkpoint(): Checkpoint;
  /** Takes over what earlier runs left. */
  adopt(earlier: Checkpoint | undefined): void;
  /** Notes a further call as started; not durable until its checkpoint is written. */
  start(): CallRecord;
  /** The call that was noted last did not start after all. */
  takeBack(): void;
  current(): CallRecord;
  end(state: CallRecord['state'], row: LedgerRow): void;
  /** A started call without an outcome is one that a crash hid: it becomes a row of its own. Returns whether there was one. */
  endHidden(): boolean;
  /** The answer that the next call is to mend; `undefined` forgets it. */
  keepUnfit(unfit: UnfitAnswer | undefined): void;
  readonly unfit: UnfitAnswer | undefined;
  readonly calls: readonly CallRecord[];
  readonly rows: readonly LedgerRow[];
}

export function createCallLog(
  payload: GeneratePayload,
  {
    stalledCount,
    demo,
    now,
    onEnd,
  }: { stalledCount: number; demo: boolean; now: () => number; onEnd: (row: LedgerRow) => void },
): CallLog {
  let calls: CallRecord[] = [];
  let rows: LedgerRow[] = [];
  let unfit: UnfitAnswer | undefined;

  const log: CallLog = {
    get calls() {
      return calls;
    },
    get rows() {
      return rows;
    },
    get unfit() {
      return unfit;
    },
    checkpoint: () => ({ calls, rows, stalledCount, ...(unfit !== undefined && { unfit }) }),
    adopt(earlier) {
      calls = earlier?.calls ?? [];
      rows = earlier?.rows ?? [];
      unfit = earlier?.unfit;
    },
    start() {
      const number = (payload.callsBefore ?? 0) + calls.length + 1;
      const call: CallRecord = { number, startedAt: now(), state: 'started' };
      calls = [...calls, call];
      return call;
    },
    takeBack: () => void (calls = calls.slice(0, -1)),
    current() {
      const last = calls.at(-1);
      if (last === undefined) throw new TypeError('no call was started');
      return last;
    },
    end(state, row) {
      calls = [...calls.slice(0, -1), { ...log.current(), state }];
      rows = [...rows, row];
      onEnd(row);
    },
    endHidden() {
      if (calls.at(-1)?.state !== 'started') return false;
      log.end('outcome_unknown', toUnknownRow(payload, { ...log.current(), demo }));
      return true;
    },
    keepUnfit: (answer) => void (unfit = answer),
  };
  return log;
}
