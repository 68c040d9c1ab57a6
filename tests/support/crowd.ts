import type { ErrorShape, GenerationResult } from '@aimm/contracts';
import type { Caller, GenerateAsk } from '@aimm/manager';
import { onTestFinished } from 'vitest';
import { type OwnProcess, ready, startProcess } from './processes.ts';

/** What the process is told, and tells. */
export interface CrowdOrder {
  asks: (Partial<Omit<GenerateAsk, 'messages'>> & { client: string; text: string })[];
  /** What the access token of each of them brings. */
  token?: Pick<Caller, 'scopes' | 'limits' | 'budgets'>;
}
export type CrowdMessage =
  | { type: 'ready' }
  | { type: 'asked'; answers: ({ requestId: string } | { error: ErrorShape })[] }
  | { type: 'ended'; answers: ({ result: GenerationResult } | { error: ErrorShape })[] };

type Asked = Extract<CrowdMessage, { type: 'asked' }>['answers'];
type Ended = Extract<CrowdMessage, { type: 'ended' }>['answers'];

/** A front process that many ask at once. */
export interface Crowd {
  readonly process: OwnProcess;
  /** `asked` when each is let in or refused; `ended` when the last is answered. */
  ask(order: CrowdOrder): { asked: Promise<Asked>; ended: Promise<Ended> };
}

/** Ends with the test. */
export async function startCrowd(env: Record<string, string>): Promise<Crowd> {
  const own = startProcess('tests/support/crowd-process.ts', env);
  onTestFinished(async () => void (await own.end('SIGKILL')));
  await ready(own);
  return {
    process: own,
    ask(order) {
      const asked = Promise.withResolvers<Asked>();
      const ended = Promise.withResolvers<Ended>();
      const onMessage = (message: CrowdMessage) => {
        if (message.type === 'asked') asked.resolve(message.answers);
        if (message.type !== 'ended') return;
        own.child.off('message', onMessage);
        ended.resolve(message.answers);
      };
      own.child.on('message', onMessage);
      void own.exited.then((code) => {
        const error = new Error(`the front left with code ${code}:\n${own.log()}`);
        asked.reject(error);
        ended.reject(error);
      });
      for (const { promise } of [asked, ended]) promise.catch(() => undefined);
      own.child.send(order);
      return { asked: asked.promise, ended: ended.promise };
    },
  };
}
