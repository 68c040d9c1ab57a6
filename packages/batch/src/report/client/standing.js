/** What a column is good for: shares and scores as numbers from 0 to 1, or undefined where nobody measured. */
export const qualities = {
  passed: { title: 'Pass rate', of: ({ passed, asserted }) => (asserted === 0 ? undefined : passed / asserted) },
  score: { title: 'Judge’s score', of: ({ score }) => (score === undefined ? undefined : score / 10) },
  wins: {
    title: 'Win rate',
    of({ wins, losses, ties }) {
      const all = wins + losses + ties;
      return all === 0 ? undefined : (wins + ties / 2) / all;
    },
  },
};

/** Dollars of one answer on average, of those whose price is known. */
export function toMeanCost({ cost_usd: cost, unpriced, counts }) {
  const priced = counts.succeeded - unpriced;
  return priced <= 0 ? undefined : cost / priced;
}

/** Puts what judges said to the answers that they said it of, as `verdicts`: `{ by, text, tone, reason }`. */
export function attachVerdicts(items, columns) {
  const byNumber = new Map(columns.map((column) => [column.number, column]));
  const judges = columns.filter((column) => column.judges !== undefined);
  if (judges.length === 0) return;
  for (const item of items) {
    const answers = new Map(item.answers.map((answer) => [answer.column, answer]));
    for (const judge of judges) {
      const { verdict } = answers.get(judge.number) ?? {};
      if (verdict === undefined) continue;
      for (const [place, number] of judge.judges.entries()) {
        const answer = answers.get(number);
        if (answer === undefined) continue;
        const other = byNumber.get(judge.judges[1 - place])?.label;
        answer.verdicts ??= [];
        answer.verdicts.push({ by: judge.model, reason: verdict.reason, ...toWord(verdict, place, other) });
      }
    }
  }
}

function toWord({ score, winner }, place, other) {
  if (score !== undefined) return { text: `${score} of 10`, tone: score >= 7 ? 'good' : score >= 4 ? 'plain' : 'bad' };
  if (winner === 'tie') return { text: `level with ${other}`, tone: 'plain' };
  return (winner === 'first') === (place === 0)
    ? { text: `better than ${other}`, tone: 'good' }
    : { text: `worse than ${other}`, tone: 'bad' };
}
