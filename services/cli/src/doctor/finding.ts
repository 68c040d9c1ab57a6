import { within } from '@aimm/runtime/within';

/** One thing looked at: `failed` keeps the system from working, `warning` some of it. */
export interface Finding {
  check: string;
  state: 'ok' | 'warning' | 'failed';
  says: string;
  /** What to do about it, as a sentence. */
  mend?: string | undefined;
}

export function ok(check: string, says: string): Finding {
  return { check, state: 'ok', says };
}

export function warning(check: string, says: string, mend: string | undefined): Finding {
  return { check, state: 'warning', says, mend };
}

export function failed(check: string, says: string, mend: string | undefined): Finding {
  return { check, state: 'failed', says, mend };
}

/** What `work` gives, or `late` where it has not ended by `deadlineAt` (epoch milliseconds): whatever hangs must not hang us. */
export function byDeadline<T>(deadlineAt: number, work: Promise<T>, late: T): Promise<T> {
  return within(Math.max(0, deadlineAt - Date.now()), work, () => late);
}
