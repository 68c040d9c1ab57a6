import type { ComparePayload } from '@aimm/contracts';
import type { ProgressEvent } from './progress.ts';
import type { Resources } from './resources.ts';
import { toWaitView } from './wait.ts';

/** It is looked up this often, from when all models have ended. */
const lookEveryMs = 1_000;

type Judge = Pick<NonNullable<ComparePayload['judge']>, 'requestId' | 'provider' | 'model'>;

/** Tells that the judge's turn has come, and its place while it waits in its queue, until `end`: no reply is sent of its call. */
export function followJudge(
  { queue, catalog, now, logger }: Resources,
  { requestId, provider, model }: Judge,
  { onProgress, end }: { onProgress: (event: ProgressEvent) => void; end: Promise<unknown> },
): void {
  let timer: NodeJS.Timeout | undefined;
  let ended = false;
  onProgress({ type: 'judging', provider, model });
  const tell = async () => {
    const record = await queue.requests.find(requestId);
    const state = record && (await queue.requests.readState(record));
    if (ended || record === undefined || state === undefined) return;
    const wait = toWaitView(state, catalog.findProvider(record.queue)?.requestsPerMinute, now());
    onProgress({ ...wait, type: 'judging', provider, model });
  };
  const look = () => {
    timer = setTimeout(() => {
      tell()
        .catch((error: unknown) => logger.debug({ err: error, requestId }, 'Could not look up the place of a judge'))
        .finally(() => !ended && look());
    }, lookEveryMs);
  };
  look();
  void end.finally(() => {
    ended = true;
    clearTimeout(timer);
  });
}
