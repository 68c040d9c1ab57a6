/** The conversations' part of the bench alone: `npx node bench/src/conversations-main.ts`. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { formatConversations, measureConversations } from './conversations.ts';

const dir = await mkdtemp(join(tmpdir(), 'aimm-bench-'));
try {
  console.log(formatConversations(await measureConversations(join(dir, 'conversations.db'))));
} finally {
  await rm(dir, { recursive: true, force: true });
}
