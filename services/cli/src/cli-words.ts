/** Sentences that say something else here, or nothing, and then names of tools and arguments: what they are called on the command line. */
const words: readonly (readonly [RegExp, string])[] = [
  [/ ?The text so far is kept: get_job shows it\./, ''],
  [/,? or run it with background: true and read it with get_job/, ''],
  [
    /Allow a longer wait, name fallbacks, or ask with background: true\./,
    'Allow a longer --max-wait, or name --fallbacks.',
  ],
  [
    /Wait for that job \(get_job with job_id \S+ and wait_seconds\), or cancel it, then ask again\./,
    'Wait until that one has ended, then ask again.',
  ],
  [
    /job_id is what start_batch answered with, like bat_…; list_jobs with kind batch shows all\./,
    '`aimm batch list` shows all.',
  ],
  [/job_id is what generate or compare_models answered with[^;]*; jobs/, 'Jobs'],
  [
    /Send next_cursor of the page before as it is, with the same search; without a cursor/,
    'Give --cursor as the page before named it, with the same --search; without it',
  ],
  [/Use next_cursor of the page before, or none for the first page\./, 'Leave it out for the first page.'],
  [/Remove one first: set_preference with its name and nothing else\./, 'Remove one first: `aimm preferences remove`.'],
  [
    /with set_preference \(without one it is removed\)/,
    'with `aimm preferences set`, or remove it with `aimm preferences remove`',
  ],
  [/ with a capability shows which take what/, ' shows which take what'],
  [/, or set no limit; estimate_cost names the models\./, ', or set no limit; `aimm models` shows prices.'],
  [/ \(max_cost_usd, --max-cost\)/, ' (--max-cost)'],
  [/ \(`aimm batch cancel`, cancel_job\)/, ' (`aimm batch cancel`)'],
  [
    /Ask one by one with generate, or several models with compare_models/,
    'Ask one by one with `aimm generate`, or several models with `aimm compare`',
  ],
  [/a cursor of list_jobs/, 'a cursor'],
  [/\blist_models\b/, '`aimm models`'],
  [/\bcheck_health\b/, '`aimm doctor`'],
  [/\bget_preferences\b/, '`aimm preferences list`'],
  [/\bset_preference\b/, '`aimm preferences set`'],
  [/\blist_conversations\b/, '`aimm conversations list`'],
  [/\bsave_conversation(: true)?\b/, '--save'],
  [/\bconversation_id\b/, '--conversation'],
  [/\bmax_output_tokens\b/, '--max-output-tokens'],
  [/\btop_p\b/, '--top-p'],
  [/\btop_k\b/, '--top-k'],
  [/\bpresence_penalty\b/, '--presence-penalty'],
  [/\bfrequency_penalty\b/, '--frequency-penalty'],
  [/\breasoning_effort\b/, '--reasoning-effort'],
  [/\btool_choice\b/, '--tool-choice'],
  [/\bservice_tier\b/, '--service-tier'],
  [/\bprompt_cache\b/, '--prompt-cache'],
  [/\bmax_wait_seconds\b/, '--max-wait'],
  [/\btimeout_seconds\b/, '--timeout'],
  [/\ballow_restart\b/, '--allow-restart'],
  [/\bname fallbacks\b/, 'name --fallbacks'],
];

/** What errors and warnings tell the callers of tools, in the words of the command line. */
export function toCliWords(text: string): string {
  return words.reduce((told, [pattern, own]) => told.replaceAll(new RegExp(pattern, 'g'), own), text).trim();
}
