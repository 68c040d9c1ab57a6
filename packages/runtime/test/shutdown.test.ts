import { pino } from 'pino';
import { describe, expect, test } from 'vitest';
import { createShutdown } from '../src/shutdown.ts';

const logger = pino({ level: 'silent' });

describe('a shutdown', () => {
  test('closes what was opened last first, once, and goes on past a closer that fails', async () => {
    const order: string[] = [];
    const shutdown = createShutdown({ logger, graceMs: 1_000, signals: [] });
    shutdown.add('first', () => order.push('first'));
    shutdown.add('broken', () => Promise.reject(new Error('no')));
    shutdown.add('last', async () => {
      await Promise.resolve();
      order.push('last');
    });
    await Promise.all([shutdown.run('one'), shutdown.run('two')]);
    expect(order).toEqual(['last', 'first']);
    expect(shutdown.signal.aborted).toBe(true);
  });
});
