import { setTimeout as delay } from 'node:timers/promises';
import { percentile } from './load.ts';
import { front, openHttp } from './mcp.ts';

/** Between an answer and the next question. */
const pauseMs = 50;

export interface Interactive {
  calls: number;
  /** Milliseconds from the question to its answer. */
  p50: number;
  p99: number;
}

export interface InteractiveClient {
  /** Asks one question after the other until told to stop. */
  measure(signal: AbortSignal): Promise<Interactive>;
  close(): Promise<void>;
}

/** A real MCP client at a front of its own, as somebody who works beside a batch. */
export async function openInteractive(env: Record<string, string>): Promise<InteractiveClient> {
  const http = await openHttp(front.http, env);
  return {
    async measure(signal) {
      const latencies: number[] = [];
      while (!signal.aborted) {
        const at = performance.now();
        await http.once();
        latencies.push(performance.now() - at);
        await delay(pauseMs);
      }
      latencies.sort((a, b) => a - b);
      return { calls: latencies.length, p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
    },
    close: http.close,
  };
}
