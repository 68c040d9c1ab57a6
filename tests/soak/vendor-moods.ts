import { setTimeout as delay } from 'node:timers/promises';
import type { Behaviour } from '../support/upstream.ts';

type Random = { between(low: number, high: number): number };

/** A vendor on an ordinary bad day: mostly slow answers in pieces, now and then each way there is to fail. */
export function createMoodyVendor(random: Random): Behaviour {
  return async (call, { response, write, finish, fail }) => {
    const mood = random.between(0, 100);
    await delay(random.between(5, 150));
    if (mood < 5) return fail(500, { message: 'broken' });
    if (mood < 8) return fail(429, { message: 'too many' }, { 'retry-after': '1' });
    if (mood < 9) return fail(529, { message: 'overloaded' }, { 'retry-after': '1' });
    if (mood < 11) return fail(400, { message: 'no such setting' });
    if (mood < 13) return void response.destroy();
    // Never a word: the call's own time-out ends it.
    if (mood < 15) return;
    if (mood < 17) return void response.writeHead(200, { 'content-type': 'text/event-stream' }).end('data: {"garb');
    write('echo: ');
    await delay(random.between(0, 300));
    // Stalls in the middle.
    if (mood < 19) return;
    if (mood < 22) return void response.destroy();
    write(call.prompt);
    // Some answers are too large to travel as a reply: fronts read them by id.
    if (mood < 24) write('x'.repeat(100_000));
    await delay(random.between(0, 300));
    if (!response.destroyed) finish();
  };
}
