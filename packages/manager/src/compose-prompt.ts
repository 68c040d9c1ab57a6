import { estimateTokens, fitHistory, type ResolvedModel, toPromptBudget } from '@aimm/catalog';
import type { ConversationPlace, GenerationSettings, Message, Warning } from '@aimm/contracts';
import type { OpenConversation } from './continue-conversation.ts';
import type { GenerateAsk } from './asks.ts';
import { summariseHistory, type Summarise, toSummaryMessage } from './summarise-history.ts';

/** What a request with a conversation says in all. */
export interface Prompt {
  messages: Message[];
  place?: ConversationPlace;
  warnings: Warning[];
}

/** A worker counts more exactly, and leaves out what its model does not take: here only what none could. */
const roomForGuess = 2;

/** Everything that was said and what is asked now. */
export function toWholePrompt(ask: GenerateAsk, open: OpenConversation | undefined): Message[] {
  if (open === undefined) return ask.messages;
  return [...open.system, ...open.said.map(({ message }) => message), ...ask.messages];
}

/**
 * The prompt for the models that may be asked: with what is too old for the first of them summarised, where the request wants
 * that, and without what is too old for all of them.
 */
export async function composePrompt(
  ask: GenerateAsk,
  settings: GenerationSettings,
  open: OpenConversation | undefined,
  models: readonly [ResolvedModel, ...ResolvedModel[]],
  summarise: Summarise,
): Promise<Prompt> {
  if (open === undefined) return { messages: ask.messages, warnings: [] };
  const [first] = models;
  const estimate = (messages: readonly Message[]) =>
    estimateTokens({ messages: [...messages], settings }, first.provider.kind);
  const budgetTokens = toBudget(first, settings);
  let [history, leftOut, warnings]: [Message[], number, Warning[]] = [
    toWholePrompt({ ...ask, messages: [] }, open),
    open.leftOut,
    [],
  ];
  let summaryAt: number | undefined;
  if (ask.history === 'summarise' && estimate([...history, ...ask.messages]) > budgetTokens) {
    const shortened = await summariseHistory(open, ask, { budgetTokens, estimate, summarise });
    warnings = shortened.warnings;
    if (shortened.summary !== undefined) {
      const kept = shortened.said;
      history = [...shortened.system, toSummaryMessage(shortened.summary), ...kept.map(({ message }) => message)];
      summaryAt = shortened.system.length;
      leftOut = 0;
    }
  }
  const largest = Math.max(...models.map((model) => toBudget(model, settings)));
  const { messages, droppedTurns } = fitHistory({
    messages: [...history, ...ask.messages],
    history: history.length,
    summaryAt,
    budgetTokens: largest * roomForGuess,
    estimate,
  });
  const { id, client, title, version } = open;
  leftOut += droppedTurns;
  const place = { id, client, title, version, history: messages.length - ask.messages.length };
  return {
    messages,
    warnings,
    place: { ...place, ...(summaryAt !== undefined && { summaryAt }), ...(leftOut > 0 && { leftOut }) },
  };
}

/** Tokens of a prompt that the model takes; without end where nobody knows. */
function toBudget({ info }: ResolvedModel, { maxOutputTokens }: GenerationSettings): number {
  if (info?.contextWindow === undefined) return Number.POSITIVE_INFINITY;
  return toPromptBudget(info.contextWindow, { maxOutputTokens, longestAnswer: info.maxOutputTokens });
}
