import { setTimeout as delay } from 'node:timers/promises';
import { ComparisonResult, GenerationResult, ModelManagerError, RequestId, type RequestRecord } from '@aimm/contracts';
import { fromReason, type JobState } from '@aimm/queue';
import { getBatchJob } from './batch/batch-job.ts';
import { cancelBatch } from './batch/control-batch.ts';
import { cancelComparison, cancelGeneration } from './cancel-job.ts';
import { giveUpLate, giveUpWaiting } from './give-up-waiting.ts';
import type { AskOptions } from './asks.ts';
import type { Caller } from './caller.ts';
import { isUnavailable } from './is-unavailable.ts';
import type { JobOptions, JobView } from './job-views.ts';
import { splitModel } from './progress.ts';
import { recallEnd } from './recall-end.ts';
import type { Resources } from './resources.ts';
import { toWaitView } from './wait.ts';

const lookEveryMs = 200;
/** A job that is not there, be it that of the leader, is looked for as often, so far apart, before it counts as lost. */
const missingLooks = 10;
const missingLookEveryMs = 100;
/** How long a cancel waits to see the running call end. */
const cancelPatienceMs = 2_000;

/** The front that asked ends the wait by itself, if it lives. */
const frontGraceMs = 1_000;
/** Whoever waits for it is told so then. */
const deadlineGraceMs = 5_000;

type View = JobView;

/** How a request stands; waits up to `waitMs` for its end, whichever process it was asked of. */
export async function getJob(
  resources: Resources,
  caller: Caller,
  requestId: string,
  options: JobOptions = {},
): Promise<JobView> {
  if (requestId.startsWith('bat_')) return getBatchJob(resources, caller, requestId, options);
  const until = resources.now() + (options.waitMs ?? 0);
  const told = new Set<string>();
  const isOver = () => resources.now() >= until || options.signal?.aborted === true;
  for (let isKnown = false; ;) {
    try {
      const view = await readView(resources, await requireRecord(resources, caller, requestId));
      if (hasEnded(view) || isOver()) return view;
      isKnown = true;
      report(view, options, told);
    } catch (error) {
      // The job goes on, whoever can be asked how.
      if (!isKnown || isOver() || !isUnavailable(error)) throw error;
    }
    await delay(Math.min(lookEveryMs, Math.max(1, until - resources.now())));
  }
}

export async function cancelJob(resources: Resources, caller: Caller, requestId: string): Promise<JobView> {
  if (requestId.startsWith('bat_')) {
    await cancelBatch(resources, caller, requestId);
    return getJob(resources, caller, requestId);
  }
  const record = await requireRecord(resources, caller, requestId);
  if (record.kind === 'comparison') await cancelComparison(resources, requestId);
  else await cancelGeneration(resources, requestId);
  return getJob(resources, caller, requestId, { waitMs: cancelPatienceMs });
}

async function requireRecord({ queue }: Resources, caller: Caller, requestId: string): Promise<RequestRecord> {
  const id = RequestId.safeParse(requestId);
  const record = id.success ? await queue.requests.find(id.data) : undefined;
  // Somebody else's job is told apart from none by nothing: ids are no authorisation.
  if (record !== undefined && (caller.admin || record.client === caller.client)) return record;
  throw new ModelManagerError('invalid_request', `There is no job "${requestId.slice(0, 60)}".`, {
    hint: 'job_id is what generate or compare_models answered with, like gen_… or cmp_… (bat_… of start_batch); jobs are kept for 24 hours.',
  });
}

async function readView(resources: Resources, record: RequestRecord, looks = 1): Promise<View> {
  const base = { requestId: record.requestId, kind: record.kind, model: record.model, createdAt: record.createdAt };
  if (record.ended !== undefined) {
    const children = record.kind === 'comparison' ? await readChildren(resources, record) : undefined;
    return { ...base, ...record.ended, ...(children !== undefined && { children }) };
  }
  const state = await resources.queue.requests.readState(record);
  const mayRecall =
    state.status === 'missing' && record.kind === 'generation' && (looks === 1 || looks === missingLooks);
  const recalled = mayRecall ? await recallEnd(resources, record.requestId) : undefined;
  // A success is final, and told at once; a cancel may be about to be told with its reason.
  if (recalled === 'succeeded' || (recalled !== undefined && looks === missingLooks))
    return { ...base, status: recalled };
  if ((state.status === 'missing' || state.needsLeader === true) && looks < missingLooks) {
    // Whoever cancels it removes the job and then says so in its record: a look in between is no loss. Nor is one before a leader's add.
    await delay(missingLookEveryMs);
    const now = await resources.queue.requests.find(record.requestId);
    return readView(resources, now ?? record, looks + 1);
  }
  if (await endOverdue(resources, record, state)) {
    const { startBy: _startBy, ...after } = (await resources.queue.requests.find(record.requestId)) ?? record;
    return readView(resources, { ...after, deadlineAt: Number.POSITIVE_INFINITY });
  }
  // Its own front does so as well, if it lives.
  if (state.needsLeader === true && record.flight !== undefined) await resources.queue.flights.revive(record.flight);
  if (record.kind === 'generation') {
    const { requestsPerMinute } = resources.catalog.findProvider(record.queue) ?? {};
    const wait = toWaitView(state, requestsPerMinute, resources.now());
    return { ...base, ...toStatus(state), ...(wait !== undefined && { wait }), ...toGeneration(state, record) };
  }

  const children = await readChildren(resources, record);
  const begun = children.some(({ status }) => status !== 'queued');
  const isRecalled = state.status === 'missing' && children.some((child) => child.status === 'succeeded');
  const status = isRecalled ? { status: 'succeeded' as const } : toStatus(state);
  return {
    ...base,
    ...status,
    ...(status.status === 'queued' && begun && { status: 'running' as const }),
    children,
    ...(state.outcome?.status === 'succeeded' && { comparison: ComparisonResult.parse(state.outcome.value) }),
  };
}

function readChildren(resources: Resources, { children = [] }: RequestRecord): Promise<NonNullable<View['children']>> {
  return Promise.all(
    children.map(async ({ requestId, model }) => {
      const child = await resources.queue.requests.find(requestId);
      const view = child === undefined ? undefined : await readView(resources, child);
      return { requestId, model, status: view?.status ?? ('cancelled' as const), error: view?.error };
    }),
  );
}

/**
 * Ends a request that waits past its deadline, as nobody serves it, or past `max_wait_seconds`, as the front that would end the
 * wait has gone. False where there is still time.
 */
async function endOverdue(resources: Resources, record: RequestRecord, { status }: JobState): Promise<boolean> {
  const { kind, deadlineAt, startBy = Number.POSITIVE_INFINITY } = record;
  const now = resources.now();
  if (kind !== 'generation' || status !== 'queued') return false;
  if (now > deadlineAt + deadlineGraceMs) await giveUpLate(resources, record);
  else if (now > startBy + frontGraceMs) await giveUpWaiting(resources, record.requestId);
  else return false;
  return true;
}

function toStatus(state: JobState): Pick<JobView, 'status' | 'position' | 'partialText' | 'error'> {
  if (state.status === 'missing') {
    const error = new ModelManagerError('outcome_unknown', 'The queue does not hold this job any more.', {
      hint: 'Finished jobs are kept for 24 hours, at most the last 5,000 of a provider; usage shows the calls that were made.',
    });
    return { status: 'failed', error: error.toShape() };
  }
  const failure = state.outcome?.status === 'failed' ? state.outcome.error : undefined;
  const reason = failure ?? (state.failedReason === undefined ? undefined : fromReason(state.failedReason));
  return {
    status: state.status,
    ...(state.position !== undefined && { position: state.position }),
    ...(state.partialText !== undefined && { partialText: state.partialText }),
    ...(reason !== undefined && { error: reason }),
  };
}

function toGeneration({ outcome }: JobState, { conversationId }: RequestRecord): Pick<JobView, 'generation'> {
  if (outcome?.status !== 'succeeded') return {};
  return {
    generation: { ...GenerationResult.parse(outcome.value), ...(conversationId !== undefined && { conversationId }) },
  };
}

/** A comparison that was cancelled has ended once each of its generations has, too. */
function hasEnded({ status, children = [] }: Pick<View, 'status' | 'children'>): boolean {
  return status !== 'queued' && status !== 'running' && children.every((child) => hasEnded(child));
}

/** `told`: models of a comparison whose end was reported. */
function report(view: View, { onProgress }: AskOptions, told: Set<string>): void {
  for (const child of view.children ?? []) {
    if (told.has(child.requestId) || !hasEnded(child)) continue;
    told.add(child.requestId);
    const error = child.status === 'succeeded' ? undefined : (child.error ?? takenOut);
    const count = { finished: told.size, total: view.children?.length ?? 0 };
    onProgress?.({ type: 'model_finished', ...splitModel(child.model), ...count, ...(error && { error }) });
  }
  if (view.model === undefined) return;
  const asked = splitModel(view.model);
  if (view.status === 'queued' && view.position !== undefined) {
    onProgress?.({ ...view.wait, type: 'queued', ...asked, position: view.position, ahead: view.position - 1 });
  } else if (view.status === 'running') {
    onProgress?.({ type: 'started', ...asked });
  }
}

const takenOut = new ModelManagerError('cancelled', 'It was cancelled.').toShape();
