import { ModelManagerError, type Warning } from '@aimm/contracts';
import type { GenerateAsk } from './asks.ts';
import type { Resources } from './resources.ts';

/**
 * With STORE_CONTENT=off a request leaves nothing behind that holds what was said.
 * @throws invalid_request for one that is to be kept as a conversation, or goes on with one
 */
export function requireNothingStored(
  { storesContent }: Pick<Resources, 'storesContent'>,
  { conversationId, saveConversation }: Pick<GenerateAsk, 'conversationId' | 'saveConversation'>,
): void {
  if (storesContent || (conversationId === undefined && saveConversation !== true)) return;
  throw new ModelManagerError('invalid_request', 'Conversations are not kept here: STORE_CONTENT is off.', {
    hint: 'Leave out save_conversation and conversation_id, and send what was said before with each request; or have the operator set STORE_CONTENT=on.',
  });
}

/**
 * A batch is its stored prompts and answers: with STORE_CONTENT=off nothing more is asked for one.
 * @throws invalid_request
 */
export function requireStorage({ storesContent }: Pick<Resources, 'storesContent'>): void {
  if (storesContent) return;
  throw new ModelManagerError('invalid_request', 'Batches keep their prompts and answers: STORE_CONTENT is off.', {
    hint: 'Ask one by one with generate, or several models with compare_models; or have the operator set STORE_CONTENT=on.',
  });
}

/** What is said of a wish for the cache that is not granted. */
export function toCacheWarnings(
  { storesContent }: Pick<Resources, 'storesContent'>,
  { cache }: Pick<GenerateAsk, 'cache'>,
): Warning[] {
  if (storesContent || cache !== true) return [];
  const message = 'The answer comes from no cache and goes into none: STORE_CONTENT is off.';
  return [{ code: 'adjusted_setting', message, setting: 'cache' }];
}
