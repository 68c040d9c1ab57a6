import { setTimeout as delay } from 'node:timers/promises';
import type { HttpFront } from '../support/deployment.ts';
import { connectHttp, type McpClient } from '../support/mcp-client.ts';

/** What a tool said, as far as the soak looks at it. */
export interface Said {
  /** Of a job that was read; absent where reading it failed. */
  kind?: string;
  job_id?: string;
  status?: string;
  text?: string;
  conversation_id?: string;
  error?: { code: string };
}

/** One request, from its asking to what its client was told in the end. */
export interface Asked {
  kind: 'generation' | 'comparison';
  prompt: string;
  tag: string;
  /** Set once its client knew it. */
  jobId?: string;
  /** The end as its client was told it; absent where it went away, or its front did. */
  told?: Said;
  /** Its client was told that nothing was enqueued, and with which code. */
  refused: boolean;
  refusal?: string;
  /** Its client cancels it, or goes away. */
  givenUp: boolean;
  /** The tool that its client waits for, and the front it waits at. */
  waitsFor?: string;
  /** What its client waits for, or was told last. */
  now: string;
  /** There is nothing more to learn of it. */
  isDone: boolean;
  /** All progress it was sent. */
  heard: string;
}

/** A front process and an MCP client of it. */
export interface SoakFront {
  front: HttpFront;
  client: McpClient;
}

export const connectTo = async (front: HttpFront): Promise<SoakFront> => ({
  front,
  client: await connectHttp(front.url, '2026-07-28'),
});

const ended = ['succeeded', 'failed', 'cancelled'];
const hasEnded = ({ status = '' }: Said) => ended.includes(status);
const askAgainMs = 300;
const callMs = 120_000;

export interface AskOptions {
  background: boolean;
  signal?: AbortSignal;
  args: Record<string, unknown>;
}

/** Asks one front, and then whichever answers until the end is known. Resolves when there is nothing more to learn. */
export async function ask(
  asked: Asked,
  pick: () => SoakFront,
  { background, signal, args }: AskOptions,
): Promise<void> {
  const tool = asked.kind === 'generation' ? 'generate' : 'compare_models';
  const said = await call(
    asked,
    pick(),
    tool,
    { prompt: asked.prompt, tags: [asked.tag], background, ...args },
    {
      ...(signal && { signal }),
      onProgress: (message) => (asked.heard += message),
    },
  );
  if (said === undefined) return;
  if (said.job_id === undefined) {
    asked.refused = true;
    asked.refusal = said.error?.code ?? '';
    return;
  }
  asked.jobId = said.job_id;
  let last = said;
  while (!hasEnded(last) || (last.kind === undefined && last.error?.code === 'unavailable')) {
    const next = await call(asked, pick(), 'get_job', { job_id: asked.jobId, wait_seconds: 20 });
    if (next?.kind !== undefined) last = next;
    else await delay(askAgainMs);
    if (signal?.aborted === true && !hasEnded(last)) return;
  }
  asked.told = last;
}

/** Cancels a request whose id is known; whatever comes of it. */
export async function cancel(asked: Asked, pick: () => SoakFront): Promise<void> {
  if (asked.jobId !== undefined) await call(asked, pick(), 'cancel_job', { job_id: asked.jobId });
}

interface CallOptions {
  signal?: AbortSignal;
  onProgress?: (message: string) => void;
  /** Is told what became of the call. */
  note?: (what: string) => void;
}

function call(
  asked: Asked,
  at: SoakFront,
  name: string,
  args: Record<string, unknown>,
  options: Pick<CallOptions, 'signal' | 'onProgress'> = {},
): Promise<Said | undefined> {
  const where = `${name} at ${at.front.process.pid}`;
  const note = (what: string) => (asked.now = `${where}, ${new Date().toISOString()}: ${what}`);
  note('waits');
  return tell(at, name, args, { ...options, note });
}

/** What a tool said; undefined where the connection broke, as it does when a front is killed. */
export async function tell(
  { client }: SoakFront,
  name: string,
  args: Record<string, unknown>,
  { signal, onProgress, note }: CallOptions = {},
): Promise<Said | undefined> {
  try {
    const result = await client.client.callTool(
      { name, arguments: args },
      {
        timeout: callMs,
        ...(signal && { signal }),
        ...(onProgress && { onprogress: ({ message = '' }) => onProgress(message) }),
      },
    );
    const said = (result.structuredContent ?? {}) as Said; // by the tools' output schemas, which the e2e tests hold them to
    note?.(said.error?.code ?? said.status ?? 'nothing');
    return said;
  } catch (error) {
    note?.(String(error));
    return undefined;
  }
}
