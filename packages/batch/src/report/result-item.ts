import { type BatchResult, toPromptText, toSystemText } from '../results/batch-result.ts';
import { toAnswerRecord } from '../results/result-record.ts';

/** An item as it stands in the page: what `jsonl` says of its generations, and once what they have in common. */
export function toResultItem({ item, generations }: BatchResult) {
  return {
    item: item.id,
    prompt: toPromptText(item),
    system: toSystemText(item),
    vars: item.vars,
    answers: generations.map(toAnswerRecord),
  };
}
