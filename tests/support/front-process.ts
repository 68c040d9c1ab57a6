/**
 * A front of its own process, to be killed: asks `<prompt>` of `<model>`, perhaps with more of an ask as JSON, and tells its
 * parent the request's id and then each piece of text.
 */
import { caller, toMessages } from './asker.ts';
import { openFrontOfProcess } from './open-front.ts';

/** What it tells its parent. */
export type FrontMessage = { type: 'accepted'; requestId: string } | { type: 'text'; text: string };

const [model = '', prompt = '', more = '{}'] = process.argv.slice(2);
const manager = await openFrontOfProcess();
const tell = (message: FrontMessage) => void process.send?.(message);
const { requestId, result } = await manager.generate(
  caller,
  { model, messages: toMessages(prompt), settings: {}, ...(JSON.parse(more) as object) },
  { onProgress: (event) => event.type === 'text' && tell({ type: 'text', text: event.text }) },
);
tell({ type: 'accepted', requestId });
await result;
await manager.close();
process.disconnect?.();
