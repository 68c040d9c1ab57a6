import { DelayedError, type Job } from 'bullmq';
import type { Admission } from './admission.ts';

/** This worker is leaving: puts the job where another takes it at once, and gives what to throw at BullMQ for it. */
export async function handBack(job: Job, token: string | undefined, admission: Admission): Promise<DelayedError> {
  // The one way out of a run that costs no attempt; it is due by this machine's clock, which may be ahead of the others'.
  await job.moveToDelayed(Date.now() + 1, token);
  await admission.putForward(job.queueName, job.id ?? '');
  return new DelayedError();
}
