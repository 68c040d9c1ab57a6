import { type Catalog, fitHistory, type TokenEstimator, toPromptBudget } from '@aimm/catalog';
import type { GeneratePayload, Message, Warning } from '@aimm/contracts';
import { modelOf } from '@aimm/queue';

/**
 * The request as its model is asked: of a conversation that is longer than the model's window the oldest turns are left out, and a
 * warning says how many. A fallback begins with the whole of it again, so this is for the call alone and never for the job.
 */
export function fitConversation(
  payload: GeneratePayload,
  { catalog, tokens }: { catalog: Catalog; tokens: TokenEstimator },
): GeneratePayload {
  const { conversation, provider, request } = payload;
  if (conversation === undefined) return payload;
  const info = catalog.findModel(provider, request.model);
  const contextWindow = payload.contextWindow ?? info?.contextWindow;
  const kind = catalog.findProvider(provider)?.kind ?? provider;
  const { settings } = request;
  const { maxOutputTokens } = settings;
  const budgetTokens =
    contextWindow === undefined
      ? Number.POSITIVE_INFINITY
      : toPromptBudget(contextWindow, { maxOutputTokens, longestAnswer: info?.maxOutputTokens });
  const { messages, droppedTurns } = fitHistory({
    messages: request.messages,
    history: conversation.history,
    summaryAt: conversation.summaryAt,
    budgetTokens,
    estimate: (some) => tokens.estimate({ messages: [...some], settings }, kind),
  });
  const leftOut = droppedTurns + (conversation.leftOut ?? 0);
  const fitted = { ...payload, request: { ...request, messages: joinSummary(messages, conversation.summaryAt) } };
  if (leftOut === 0) return fitted;
  const window =
    contextWindow === undefined
      ? 'one prompt'
      : `the ${contextWindow} tokens that ${modelOf(payload)} takes, of which ${contextWindow - budgetTokens} are kept for the answer`;
  return { ...fitted, warnings: [...payload.warnings, toWarning(leftOut, window)] };
}

/** The summary of what is older as a part of the next thing that a user says: not every server takes two of a user in a row. */
function joinSummary(messages: Message[], summaryAt = messages.length): Message[] {
  const [summary, next] = messages.slice(summaryAt, summaryAt + 2);
  if (summary === undefined || next?.role !== 'user') return messages;
  return messages.toSpliced(summaryAt, 2, { ...next, content: [...summary.content, ...next.content] });
}

function toWarning(turns: number, window: string): Warning {
  const what =
    turns === 1 ? 'The oldest turn of the conversation was' : `The ${turns} oldest turns of the conversation were`;
  return { code: 'other', message: `${what} not sent: the whole of it is longer than ${window}.` };
}
