import type { Assertion, JsonObject } from '@aimm/contracts';

/** Puts variables in their places; `write` says how a value is written there. */
export type Fill = (text: string, write?: (value: string) => string) => string;

/** The assertion with variables in all its texts but its name: a pattern takes a value as the text that it is. */
export function fillAssertion(assertion: Assertion, fill: Fill): Assertion {
  switch (assertion.type) {
    case 'contains':
    case 'not_contains':
    case 'equals':
    case 'similarity':
      return { ...assertion, value: fill(assertion.value) };
    case 'regex':
      return { ...assertion, pattern: fill(assertion.pattern, escapePattern) };
    case 'json_schema':
      if (assertion.schema === undefined) return assertion;
      return { ...assertion, schema: fillJson(assertion.schema, fill) as JsonObject }; // an object stays one
    case 'max_cost':
    case 'max_latency':
      return assertion;
  }
}

function fillJson(value: unknown, fill: Fill): unknown {
  if (typeof value === 'string') return fill(value);
  if (Array.isArray(value)) return value.map((each) => fillJson(each, fill));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [fill(key), fillJson(each, fill)]));
}

/** Also between brackets, and under every flag. */
function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, String.raw`\$&`).replaceAll('-', String.raw`\x2d`);
}
