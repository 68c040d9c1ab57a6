import { type JobName, jobs } from '@aimm/contracts';
import { UnrecoverableError } from 'bullmq';
import { isEmptied } from './bare-job.ts';

/** Parses what a queue holds: jobs of other names or releases fail here, with a reason, and not in a handler. */
export function parseJob(name: string, data: unknown): { name: JobName; payload: unknown } {
  if (!Object.hasOwn(jobs, name)) throw new UnrecoverableError(`invalid_request: there is no job called "${name}"`);
  if (isEmptied(data)) {
    throw new UnrecoverableError(
      'invalid_request: what it asked is not kept (STORE_CONTENT=off), so it cannot run again',
    );
  }
  const known = name as JobName;
  const parsed = parsePayload(known, data);
  if (!parsed.success) {
    const where = parsed.error.issues.map((issue) => `${issue.path.join('.')}: ${issue.message}`).join('; ');
    throw new UnrecoverableError(`invalid_request: the job's data does not fit: ${where}`);
  }
  return { name: known, payload: parsed.data };
}

function parsePayload(name: JobName, data: unknown) {
  try {
    return jobs[name].payload.safeParse(data);
  } catch (error) {
    // JSON is parsed level by level. Another try would end the same.
    if (!(error instanceof RangeError)) throw error;
    throw new UnrecoverableError("invalid_request: the job's data is nested too deeply");
  }
}
