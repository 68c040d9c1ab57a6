import type { ErrorShape, GenerationResult } from '@aimm/contracts';

/** How a request waits. */
export interface WaitView {
  /** 1 = next to run; absent while it is put aside until `waitingUntil`. */
  position?: number | undefined;
  /** How many wait in the same queue, this one included. */
  inLine?: number | undefined;
  /** Until it is likely to start; absent where nothing is known of the queue's pace. */
  estimatedWaitMs?: number | undefined;
  /** Its turn, a limit of ours, a pause that its provider asked for, or the time to be tried again. */
  waitingFor: 'queue' | 'rate_limit' | 'provider' | 'retry';
  /** Epoch milliseconds; nothing starts before. */
  waitingUntil?: number | undefined;
}

/** What happens while a request waits and runs. */
export type ProgressEvent =
  | ({ type: 'queued'; provider: string; model: string; position: number; ahead: number } & Partial<WaitView>)
  | { type: 'started'; provider: string; model: string }
  /** Of a comparison, and only where it was asked to stream: whose text it is. */
  | { type: 'text'; text: string; totalLength: number; provider?: string; model?: string }
  | { type: 'reasoning'; text: string }
  /** The answer begins again; of a comparison with whose. */
  | { type: 'reset'; reason: ErrorShape; provider?: string; model?: string }
  | {
      type: 'waiting';
      untilMs: number;
      reason: ErrorShape;
      why?: 'provider' | 'rate_limit' | 'retry' | undefined;
      /** Of a comparison: who waits. */
      provider?: string;
      model?: string;
    }
  | { type: 'batch'; done: number; failed: number; total: number }
  | {
      type: 'model_finished';
      provider: string;
      model: string;
      finished: number;
      total: number;
      error?: ErrorShape;
      result?: GenerationResult;
    }
  /** All models of a comparison have ended: who ranks their answers, and how it waits for that. */
  | ({ type: 'judging'; provider: string; model: string } & Partial<WaitView>);

/** `provider/model` in its two parts; a model's own name may hold further slashes. */
export function splitModel(name: string): { provider: string; model: string } {
  const slash = name.indexOf('/');
  return { provider: name.slice(0, Math.max(0, slash)), model: name.slice(slash + 1) };
}
