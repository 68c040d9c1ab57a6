import type { JobView } from '@aimm/manager';
import type { Logger } from '@aimm/runtime';
import type { CallToolResult } from '@modelcontextprotocol/server';
import { toIsoTime } from '../format/units.ts';
import { describeJob } from './describe-job.ts';
import { toToolResult } from './to-tool-result.ts';

/** A job in the extension's words: what `tasks/get` answers, and without `result` what a call is answered with. */
export interface Task {
  /** The job's id: unguessable, and unknown to everybody but its owner. */
  taskId: string;
  /** Never `failed`, which is for faults of the protocol: a tool's failure is `completed` with `isError`. */
  status: 'working' | 'completed' | 'cancelled';
  statusMessage: string;
  createdAt: string;
  lastUpdatedAt: string;
  /** From `createdAt` on; null: it is kept until somebody deletes it. */
  ttlMs: number | null;
  pollIntervalMs?: number;
  result?: CallToolResult;
}

export interface TaskSettings {
  logger: Logger;
  /** Default: batches are kept until somebody deletes them. */
  batchRetentionDays?: number | undefined;
}

const dayMs = 86_400_000;
/** As long as a request can be asked for by its id. */
const requestKeptMs = dayMs;

export function toTask(view: JobView, { logger, batchRetentionDays }: TaskSettings, now = Date.now()): Task {
  const status = toTaskStatus(view.status);
  const result = status === 'completed' ? toToolResult(view, logger) : undefined;
  return {
    taskId: view.requestId,
    status,
    statusMessage: describeJob(view),
    createdAt: toIsoTime(view.createdAt),
    lastUpdatedAt: toIsoTime(Math.max(view.createdAt, Math.min(findEnd(view) ?? now, now))),
    ttlMs: findTtl(view, batchRetentionDays),
    ...(status === 'working' && { pollIntervalMs: choosePollInterval(view) }),
    // In an answer of its own the SDK would add the kind; clients hold this one against the same schema.
    ...(result !== undefined && { result: { ...result, resultType: 'complete' } }),
  };
}

function toTaskStatus(status: JobView['status']): Task['status'] {
  switch (status) {
    case 'queued':
    case 'running':
      return 'working';
    case 'succeeded':
    case 'failed':
      return 'completed';
    case 'cancelled':
      return 'cancelled';
  }
}

/** Undefined while it runs, and where nothing tells: then it is as new as this look at it. */
function findEnd({ createdAt, batch, generation }: JobView): number | undefined {
  if (batch !== undefined) return batch.endedAt;
  return generation === undefined ? undefined : createdAt + Math.round(generation.latency.totalMs);
}

/** A batch's days are counted from its end: until then nobody knows how long it is kept, but it is. */
function findTtl({ kind, createdAt, batch }: JobView, batchRetentionDays: number | undefined): number | null {
  if (kind !== 'batch') return requestKeptMs;
  if (batchRetentionDays === undefined || batch?.endedAt === undefined) return null;
  return Math.max(0, batch.endedAt - createdAt) + batchRetentionDays * dayMs;
}

/** A tenth of what is left where that is known, within what suits the kind. */
function choosePollInterval({ kind, status, wait, batch }: JobView): number {
  switch (kind) {
    case 'generation':
      return status === 'running' ? 1_000 : within(1_000, (wait?.estimatedWaitMs ?? 0) / 10, 10_000);
    case 'comparison':
      return 2_000;
    case 'batch':
      return batch?.status === 'paused' ? 60_000 : within(2_000, (batch?.estimatedLeftMs ?? 0) / 10, 30_000);
  }
}

function within(least: number, value: number, most: number): number {
  return Math.round(Math.min(most, Math.max(least, value)));
}
