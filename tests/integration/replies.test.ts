import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Reply } from '@aimm/contracts';
import { expect, test } from 'vitest';
import { createQueueFixture } from '../support/queue-fixture.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void; // the flag above puts it there

const answers = 400;
const answerChars = 100_000;

test('a front keeps nothing of the replies that it has passed on', async () => {
  const fixture = await createQueueFixture();
  try {
    const { replies } = fixture.front;
    const redis = fixture.redis.client();
    await expect.poll(() => redis.exists(replies.stream)).toBe(1);
    let heard = Promise.withResolvers<void>();
    const stop = replies.listen('gen_heard', () => heard.resolve());
    collect();
    const before = process.memoryUsage().heapUsed;
    for (let seq = 0; seq < answers; seq += 1) {
      heard = Promise.withResolvers();
      const text = String(seq).padStart(answerChars, '.');
      const reply: Reply = { type: 'text', requestId: 'gen_heard', attempt: 1, seq, text };
      await redis.xadd(replies.stream, 'MAXLEN', '10', '*', 'r', JSON.stringify(reply));
      // One read for each, as when answers come one by one.
      await heard.promise;
    }
    stop();
    collect();
    expect(process.memoryUsage().heapUsed - before).toBeLessThan((answers * answerChars) / 4);
  } finally {
    await fixture.close();
  }
});
