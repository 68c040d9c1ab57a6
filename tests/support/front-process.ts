/**
 * A front of its own process, to be killed: asks `<prompt>` of `<model>` and tells its parent the request's id and then
 * each piece of text.
 */
import { createManager } from '@aimm/manager';
import { createLogger, loadEnvironment } from '@aimm/runtime';
import { caller, toMessages } from './asker.ts';

/** What it tells its parent. */
export type FrontMessage = { type: 'accepted'; requestId: string } | { type: 'text'; text: string };

const [model = '', prompt = ''] = process.argv.slice(2);
const { env, raw } = loadEnvironment();
const logger = await createLogger({ name: 'front', level: env.LOG_LEVEL, format: 'json' });
const manager = await createManager({
  redisUrl: env.REDIS_URL ?? '',
  databaseUrl: env.DATABASE_URL ?? '',
  configDir: env.configDir,
  raw,
  logger,
});
const tell = (message: FrontMessage) => void process.send?.(message);
const { requestId, result } = await manager.generate(
  caller,
  { model, messages: toMessages(prompt), settings: {} },
  { onProgress: (event) => event.type === 'text' && tell({ type: 'text', text: event.text }) },
);
tell({ type: 'accepted', requestId });
await result;
await manager.close();
process.disconnect?.();
