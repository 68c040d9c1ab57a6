import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { rareFields, settingFields } from '@aimm/batch/input';
import { expect, it } from 'vitest';
import { toCliWords } from '../src/cli-words.ts';

const root = join(import.meta.dirname, '../../..');
const ofTools =
  /\b(job_id|get_job|cancel_job|list_jobs|start_batch|compare_models|list_models|get_model_info|check_health|(get|set)_preferences?|(list|get|delete)_conversations?|save_conversation|conversation_id|(max_)?wait_seconds|timeout_seconds|max_output_tokens|max_cost_usd|allow_restart|get_usage_stats|estimate_cost|next_cursor|background: true)\b/;

/** Whatever is told to people: texts of several words. Comments are none. */
function readTexts(): string[] {
  const files = globSync('{packages/{manager,catalog,queue,runtime,database},services/worker}/src/**/*.ts', {
    cwd: root,
  });
  const sources = files.map((file) =>
    readFileSync(join(root, file), 'utf8').replaceAll(/^\s*(\/\*\*.*|\*.*|\/\/.*)$/gm, ''),
  );
  // Backticks inside quotes, and quotes inside backticks, are part of the text.
  return sources.flatMap(
    (source) => source.match(/'(?:[^'\\\n]|\\.)* (?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)* (?:[^`\\]|\\.)*`/g) ?? [],
  );
}

it('names nothing on the command line that only tools have, whatever an error says', () => {
  const told = readTexts().filter((text) => ofTools.test(text));
  expect(told.length).toBeGreaterThan(15);
  expect(told.map(toCliWords).filter((text) => ofTools.test(text))).toEqual([]);
});

it.each(
  Object.keys({ ...settingFields, ...rareFields }).filter((name) => name.includes('_') && name !== 'response_format'),
)('calls the setting %s as its option', (name) => {
  expect(toCliWords(`${name} was left out: why.`)).toBe(`--${name.replaceAll('_', '-')} was left out: why.`);
});

it.each([
  [
    'Is it running? check_health shows what "mistral" lacks.',
    'Is it running? `aimm doctor` shows what "mistral" lacks.',
  ],
  [
    'Nothing was asked. Wait for that job (get_job with job_id gen_1 and wait_seconds), or cancel it, then ask again.',
    'Nothing was asked. Wait until that one has ended, then ask again.',
  ],
  [
    'Give it a longer timeout_seconds, or run it with background: true and read it with get_job.',
    'Give it a longer --timeout.',
  ],
  ['Wait.', 'Wait.'],
])('%s', (text, own) => {
  expect(toCliWords(text)).toBe(own);
});
