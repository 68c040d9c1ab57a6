import type { JsonObject } from '@aimm/contracts';
import { isObject } from '../adapter/error-body.ts';

/** Under this name it is kept with the calls. */
export const chatKeeper = 'openai-compatible';

/** Not OpenAI's: compatible servers show reasoning under either name. */
const textFields = ['reasoning_content', 'reasoning'] as const;
/** OpenRouter's: texts, summaries and what is encrypted, with their signatures. */
const detailsField = 'reasoning_details';
/** Of a call: where Google's server puts its signature. */
const extraField = 'extra_content';
const messageFields: ReadonlySet<string> = new Set([...textFields, detailsField]);

/** Gathers what an answer shows of its reasoning, under the names it came by: some servers refuse the next turn without. */
export function createReasoningKeeper() {
  const texts = new Map<string, string>();
  let details: JsonObject[] = [];
  return {
    /** Gives the text to show. */
    add(delta: object): string {
      const fields = new Map(Object.entries(delta));
      const field = textFields.find((name) => typeof fields.get(name) === 'string');
      const text = field === undefined ? '' : String(fields.get(field));
      if (field !== undefined) texts.set(field, (texts.get(field) ?? '') + text);
      const pieces: unknown = fields.get(detailsField);
      if (Array.isArray(pieces)) details = pieces.filter(isJson).reduce(joinDetail, details);
      return text;
    },
    /** For the first call of the answer; empty for those after it. */
    take(): JsonObject {
      const taken = { ...Object.fromEntries(texts), ...(details.length > 0 && { [detailsField]: details }) };
      texts.clear();
      details = [];
      return taken;
    },
  };
}

/** A text or a summary comes in pieces, its signature with the last of them; all else comes whole. */
function joinDetail(details: readonly JsonObject[], piece: JsonObject): JsonObject[] {
  const at = details.findLastIndex(({ type, index }) => type === piece['type'] && index === piece['index']);
  const open = details[at];
  const { text, summary } = piece;
  if (open === undefined || (typeof text !== 'string' && typeof summary !== 'string')) return [...details, piece];
  const said = Object.fromEntries(Object.entries(piece).filter(([, value]) => value !== null));
  const grow = (field: string, more: unknown) =>
    typeof more === 'string' ? { [field]: (typeof open[field] === 'string' ? open[field] : '') + more } : {};
  return details.with(at, { ...open, ...said, ...grow('text', text), ...grow('summary', summary) });
}

/** What a call, or what was kept of it, has besides OpenAI's own fields. */
export function findExtra(call: object): JsonObject {
  const extra: unknown = new Map(Object.entries(call)).get(extraField);
  return isJson(extra) ? { [extraField]: extra } : {};
}

/** The fields of an assistant's message that give back what was kept with its calls. */
export function toReasoningFields(kept: readonly JsonObject[]): JsonObject {
  return Object.fromEntries(kept.flatMap(Object.entries).filter(([name]) => messageFields.has(name)));
}

/** An object that was parsed from JSON is one of JSON. */
function isJson(value: unknown): value is JsonObject {
  return isObject(value);
}
