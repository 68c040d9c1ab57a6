import * as z from 'zod';
import { Message } from './messages.ts';

export const ConversationId = z.string().regex(/^conv_[0-9a-f-]{36}$/, 'expected an id like conv_0198c0de-…');

/** A saved conversation. `version` grows with every turn: a writer that saw an older one is refused. */
export const Conversation = z.object({
  id: z.string(),
  client: z.string(),
  title: z.string(),
  version: z.number().int(),
  createdAt: z.number(),
  updatedAt: z.number(),
});
export type Conversation = z.infer<typeof Conversation>;

/** One message of a conversation; `position` counts from 0. Assistant messages name their model and request. */
export const ConversationMessage = z.object({
  position: z.number().int(),
  message: Message,
  model: z.string().optional(),
  requestId: z.string().optional(),
  costNanoUsd: z.number().int().nullable().optional(),
  createdAt: z.number(),
});
export type ConversationMessage = z.infer<typeof ConversationMessage>;
