import type { BatchJudge, BatchVerdict, JudgeMode, Message } from '@aimm/contracts';
import * as z from 'zod';
import { looseNumber, parseJsonWithin, toJudgeMessages } from '../judging.ts';

const forms: Readonly<Record<JudgeMode, { task: string; form: string }>> = {
  scores: {
    task: 'You rate the answer that a model gave to a request.',
    form: '{"score":0-10,"reason":"one sentence"}, 10 for an answer that could not be better',
  },
  pairwise: {
    task: 'You compare the two answers that different models gave to one request.',
    form: '{"winner":"A" or "B" or "tie","reason":"one sentence"}',
  },
};

/** Answers have letters: a judge that sees names has favourites. */
export function toVerdictMessages(
  { mode, criteria }: BatchJudge,
  messages: readonly Message[],
  answers: readonly string[],
): Message[] {
  return toJudgeMessages({ ...forms[mode], criteria, messages, answers });
}

const reason = z.string().max(4_000).optional().catch(undefined);
const Score = z.object({ score: looseNumber.pipe(z.number().min(0).max(10)), reason });
const Winner = z.object({
  winner: z
    .string()
    .transform((word) => word.trim().toUpperCase())
    .pipe(z.enum(['A', 'B', 'TIE'])),
  reason,
});
const places = { A: 'first', B: 'second', TIE: 'tie' } as const;

/** Undefined where the judge did not answer in the form it was asked for. */
export function toVerdict(mode: JudgeMode, text: string): BatchVerdict | undefined {
  const json = parseJsonWithin(text);
  if (mode === 'scores') return Score.safeParse(json).data;
  const winner = Winner.safeParse(json).data;
  return winner && { ...winner, winner: places[winner.winner] };
}
