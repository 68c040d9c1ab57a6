import { estimateTokens, type Tier } from '@aimm/catalog';
import type { GenerationSettings, Message } from '@aimm/contracts';

/** How demanding a task looks, and what made it look so. */
export interface Complexity {
  score: number;
  tier: Tier;
  /** What weighed most first, as words. */
  reasons: string[];
}

/** Points by the prompt's estimated tokens: the last row whose length is reached. */
const lengthPoints = [
  { tokens: 300, points: 1, word: 'some context' },
  { tokens: 2_000, points: 2, word: 'a long prompt' },
  { tokens: 10_000, points: 3, word: 'a very long prompt' },
] as const;

/** Points for what the last question says; looked for in its words only, as a history is more of the same. */
const markers = [
  {
    points: 2,
    word: 'code',
    // A SELECT goes to its first FROM only: with every other one tried as well, a line of them takes seconds.
    pattern:
      /```|\b(?:function|class|def|import|const|SELECT (?:(?! FROM\b).){1,300} FROM)\b.*[({;:=]|\w\.(?:ts|js|py|go|rs|java|cpp)\b|\bstack ?trace\b/i,
  },
  {
    points: 2,
    word: 'mathematics',
    pattern: /\\(?:frac|sum|int|sqrt)\b|\$\$|\b(?:theorem|integral|derivative|equation|eigenvalue|probability that)\b/i,
  },
  {
    points: 2,
    word: 'reasoning',
    pattern: /\b(?:prove|step by step|analy[sz]e|derive|root cause|trade-?offs?|critique|evaluate)\b/i,
  },
  {
    points: 2,
    word: 'design',
    pattern: /\b(?:architecture|refactor|redesign|migrate|debug|optimi[sz]e|implement|plan for)\b/i,
  },
] as const;

/** Points for how much thinking is asked for; where it is said, it says most. */
const effortPoints: Readonly<Record<NonNullable<GenerationSettings['reasoningEffort']>, number>> = {
  none: -2,
  minimal: -2,
  low: -1,
  medium: 1,
  high: 4,
  xhigh: 6,
  max: 6,
};

/** From so many points on a task is one for the tier. */
const tierFrom = { medium: 3, large: 6 } as const;

/**
 * Estimates how demanding a task is from what it looks like: its length, what its last question is about, what else is
 * asked of the answer. Every weight stands above; nobody is asked, and nothing but the request is looked at. Pure.
 */
export function estimateComplexity(messages: Message[], settings: GenerationSettings): Complexity {
  const found: { points: number; word: string }[] = [];
  const note = (points: number, word: string) => points !== 0 && found.push({ points, word });

  const tokens = estimateTokens({ messages }, '');
  const length = lengthPoints.findLast((row) => tokens >= row.tokens);
  if (length !== undefined) note(length.points, length.word);
  const question = toText(messages.findLast(({ role }) => role === 'user'));
  for (const { points, word, pattern } of markers) if (pattern.test(question)) note(points, word);
  const turns = messages.filter(({ role }) => role === 'user').length;
  if (turns > 3) note(turns > 10 ? 2 : 1, `${turns} turns`);
  const tools = settings.tools?.length ?? 0;
  if (tools > 0) note(tools > 5 ? 3 : 2, tools === 1 ? '1 tool' : `${tools} tools`);
  if (settings.responseFormat?.type === 'json_schema') note(1, 'a JSON schema');
  if (messages.some(({ content }) => content.some(({ type }) => type === 'image' || type === 'file')))
    note(1, 'attachments');
  if ((settings.maxOutputTokens ?? 0) > 4_000) note(1, 'a long answer');
  const effort = settings.reasoningEffort;
  if (effort !== undefined) note(effortPoints[effort], `reasoning effort ${effort}`);

  const score = Math.max(
    0,
    found.reduce((sum, { points }) => sum + points, 0),
  );
  const words = found.toSorted((a, b) => Math.abs(b.points) - Math.abs(a.points)).map(({ word }) => word);
  const tier = score >= tierFrom.large ? 'large' : score >= tierFrom.medium ? 'medium' : 'small';
  return { score, tier, reasons: words.length === 0 ? ['a short prompt'] : words };
}

/** Of a longer question its beginning: patterns must not take long. */
const readChars = 4_000;

function toText(message: Message | undefined): string {
  const texts = (message?.content ?? []).flatMap((part) => (part.type === 'text' ? [part.text] : []));
  return texts.join('\n').slice(0, readChars);
}
