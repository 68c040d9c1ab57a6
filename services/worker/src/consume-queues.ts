import { type Consumer, queueOf } from '@aimm/queue';
import type { ProviderSet } from './provider-set.ts';

/** Questions about a provider are answered at once, beside its limits. */
const checksAtOnce = 4;
/** Joining a comparison takes milliseconds; waiting for its models takes no slot. */
const comparisonsAtOnce = 16;
/** Rows for the ledger and turns are all that is known of a paid call: what takes a worker down is something else. */
const neverGivenUp = 1_000_000;

/** Serves the queues of all configured providers. Repeated, it takes up what has changed. */
export async function consumeProviderQueues(consumer: Consumer, providers: ProviderSet): Promise<void> {
  await Promise.all(
    providers.configs().flatMap(({ id, kind, concurrency, requestsPerMinute }) => [
      consumer.consume({
        name: queueOf('generate', id),
        concurrency,
        globalConcurrency: concurrency,
        sameModelFirst: kind === 'ollama',
        ...(requestsPerMinute !== undefined && { requestsPerMinute }),
      }),
      consumer.consume({ name: queueOf('check-health', id), concurrency: checksAtOnce }),
    ]),
  );
}

/** Serves the queues that need no provider. */
export async function consumeOwnQueues(consumer: Consumer): Promise<void> {
  await Promise.all([
    consumer.consume({ name: queueOf('compare'), concurrency: comparisonsAtOnce }),
    // The global limit is what makes a pause of this queue hold all workers.
    consumer.consume({
      name: queueOf('persist-usage'),
      concurrency: 1,
      globalConcurrency: 4,
      maxStalledCount: neverGivenUp,
    }),
    ...(['persist-turn', 'persist-batch'] as const).map((name) =>
      consumer.consume({
        name: queueOf(name),
        concurrency: name === 'persist-batch' ? 8 : 1,
        globalConcurrency: name === 'persist-batch' ? 16 : 4,
        maxStalledCount: neverGivenUp,
      }),
    ),
  ]);
}
