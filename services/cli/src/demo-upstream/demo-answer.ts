import { createHash } from 'node:crypto';

/** What a demo model says, and how it would count. */
export interface DemoAnswer {
  text: string;
  inputTokens: number;
  outputTokens: number;
}

const openings = [
  'Good question.',
  'Here is how I would put it.',
  'Let me take that one step at a time.',
  'Short answer first, then the reasons.',
  'Happy to help with that.',
  'There is more than one way to see this.',
];

const bodies = [
  'A real model would now look at what you asked from two or three sides, weigh them against each other, and tell you which one it would choose and why.',
  'With a real key in place this paragraph would be the answer: a few clear sentences, an example where one helps, and a word on what remains uncertain.',
  'Think of these lines as a stand-in. They travel the same road as a real answer: the queue, a worker, the vendor’s own SDK, and back to you piece by piece.',
  'Everything around these words is real: the waiting line, the limits and the token counts in your statistics. Only the thinking is missing, and the bill.',
];

const closings = [
  'Ask the same of several models at once with compare_models to see them side by side.',
  'Set a provider’s key and ask again to hear from the model itself.',
  'Look at get_usage_stats to see how this call was accounted for.',
];

/** The same model gives the same answer to the same prompt, and different models different ones. */
export function composeDemoAnswer(model: string, prompt: string): DemoAnswer {
  const hash = createHash('sha256').update(`${model}\0${prompt}`).digest();
  const pick = (list: readonly string[], byte: number) => list[(hash[byte] ?? 0) % list.length];
  const verdict = composeVerdict(model, prompt, hash);
  if (verdict !== undefined)
    return { text: verdict, inputTokens: countTokens(prompt), outputTokens: countTokens(verdict) };
  const subject = prompt.trim().replaceAll(/\s+/g, ' ').slice(0, 80);
  const asked = subject === '' ? '' : `You asked: “${subject}${prompt.trim().length > 80 ? '…' : ''}” `;
  const text = [
    `[Demo answer in the place of ${model}] ${pick(openings, 0)}`,
    `${asked}${pick(bodies, 1)}`,
    pick(closings, 2),
  ].join('\n\n');
  return { text, inputTokens: countTokens(prompt), outputTokens: countTokens(text) };
}

/** To a judge's prompt, whose answers have letters: a verdict in every form that judges are asked for. */
function composeVerdict(model: string, prompt: string, hash: Buffer): string | undefined {
  if (!prompt.startsWith('<request>')) return undefined;
  const letters = [...prompt.matchAll(/<answer id="([A-Z])">/g)].map(([, letter = '']) => letter);
  if (letters.length === 0) return undefined;
  const scoreOf = (index: number) => 3 + ((hash[index % hash.length] ?? 0) % 8);
  const ranking = letters
    .map((answer, index) => ({ answer, score: scoreOf(index), reason: 'Chosen by chance.' }))
    .toSorted((a, b) => b.score - a.score);
  const reason = `A demo verdict in the place of ${model}: nothing was read.`;
  return JSON.stringify({ score: ranking[0]?.score, winner: ranking[0]?.answer, ranking, reason });
}

/** Four characters a token: close enough for a demo. */
function countTokens(text: string): number {
  return Math.max(1, Math.ceil(text.length / 4));
}
