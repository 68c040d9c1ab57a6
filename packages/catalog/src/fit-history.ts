import type { Message } from '@aimm/contracts';

export interface HistoryToFit {
  /** The whole prompt; the first `history` of it were said before. */
  messages: readonly Message[];
  history: number;
  /** Which of them is a summary of what is older still; it stays. */
  summaryAt?: number | undefined;
  /** What the prompt may come to, in tokens. */
  budgetTokens: number;
  /** Tokens of a prompt with these messages. */
  estimate: (messages: readonly Message[]) => number;
}

export interface FittedHistory {
  messages: Message[];
  /** How many turns of the history are not in it. */
  droppedTurns: number;
}

/**
 * Leaves out as many of the oldest turns of a history as it takes for the prompt to fit. Turns go as a whole, a question with all
 * that answers it; system messages, a summary and what is new stay, whether it fits or not, and with results of tools the turn
 * that called them. Pure.
 */
export function fitHistory({ messages, history, summaryAt, budgetTokens, estimate }: HistoryToFit): FittedHistory {
  // A summary is no turn: it counts as what a system says.
  const counted = messages.map((message, at) => (at === summaryAt ? { ...message, role: 'system' as const } : message));
  const turns = findTurns(counted.slice(0, history));
  const next = messages.slice(history).find(({ role }) => role !== 'system');
  const mayGo = turns.length - (next !== undefined && holdsResult(next) ? 1 : 0);
  const without = (dropped: number) => {
    // The history ends where its last turn does.
    const from = turns[dropped] ?? history;
    return messages.filter((_, index) => index >= from || counted[index]?.role === 'system');
  };
  if (mayGo <= 0 || estimate(messages) <= budgetTokens) return { messages: [...messages], droppedTurns: 0 };
  // The more is left out the shorter it is: so many at least.
  let [low, high] = [1, mayGo];
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (estimate(without(middle)) <= budgetTokens) high = middle;
    else low = middle + 1;
  }
  return { messages: without(low), droppedTurns: low };
}

/** Where each turn begins: at what a user said that is no result of a tool. What stands before the first belongs to it. */
export function findTurns(messages: readonly Message[]): number[] {
  const starts = messages.flatMap((message, index) =>
    message.role === 'user' && !holdsResult(message) && messages[index - 1]?.role !== 'user' ? [index] : [],
  );
  const first = messages.findIndex(({ role }) => role !== 'system');
  return first === -1 ? [] : [first, ...starts.slice(1)];
}

function holdsResult({ content }: Message): boolean {
  return content.some(({ type }) => type === 'tool_result');
}

/** Of a window, so much is for the answer where neither the request nor the catalog says how long it may be. */
const usualAnswerTokens = 4_096;

/** However long an answer is asked for, the prompt keeps so much of the window. */
const leastPromptShare = 0.25;

/** What of a model's window is left for the prompt. `longestAnswer`: the model's own limit, which most answers stay far from. */
export function toPromptBudget(
  contextWindow: number,
  { maxOutputTokens, longestAnswer }: { maxOutputTokens?: number | undefined; longestAnswer?: number | undefined },
): number {
  const answer =
    maxOutputTokens === undefined
      ? Math.min(longestAnswer ?? usualAnswerTokens, contextWindow / 4)
      : Math.min(maxOutputTokens, longestAnswer ?? maxOutputTokens, contextWindow * (1 - leastPromptShare));
  return Math.floor(contextWindow - answer);
}
