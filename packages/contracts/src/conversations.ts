import * as z from 'zod';
import { Usage } from './generation.ts';
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
  /** What a model made of the messages before the position `until`. */
  summary: z.object({ text: z.string(), until: z.number().int() }).optional(),
});
export type Conversation = z.infer<typeof Conversation>;

/** One message of a conversation; `position` counts from 0. Assistant messages name their model and request. */
export const ConversationMessage = z.object({
  position: z.number().int(),
  message: Message,
  model: z.string().optional(),
  requestId: z.string().optional(),
  costNanoUsd: z.number().int().nullable().optional(),
  usage: Usage.optional(),
  createdAt: z.number(),
});
export type ConversationMessage = z.infer<typeof ConversationMessage>;

/** What a generation's request carries of the conversation whose next turn it is. */
export const ConversationPlace = z.object({
  id: z.string(),
  /** Whose it is: not the asker's where an administrator goes on with it. */
  client: z.string(),
  title: z.string(),
  /** The version that the turn follows; 0: it begins the conversation. */
  version: z.number().int(),
  /** How many of the request's messages were said before; the rest is new. */
  history: z.number().int(),
  /** Which of them is a summary of what is older. */
  summaryAt: z.number().int().optional(),
  /** Turns of the history that were left out already. */
  leftOut: z.number().int().optional(),
});
export type ConversationPlace = z.infer<typeof ConversationPlace>;

/** A turn as it is added: what was asked and what was answered. One per request, however often it is added. */
export const ConversationTurn = ConversationPlace.pick({ id: true, client: true, title: true, version: true }).extend({
  requestId: z.string().optional(),
  messages: z.array(ConversationMessage.omit({ position: true })),
});
export type ConversationTurn = z.infer<typeof ConversationTurn>;
