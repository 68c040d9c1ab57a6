import type { Assertion, BatchItem, GenerationSettings, JsonObject, Message, MessagePart } from '@aimm/contracts';
import { checkJsonSchema, JsonSchemaError } from '@aimm/runtime';
import { findPatternFault } from '../assertions/assertion-input.ts';
import { describeIssue } from '../input/describe-issue.ts';
import { countTextBytes, toConversation, toSettings } from '../input/to-question.ts';
import type { Faults } from './faults.ts';
import { type Fill, fillAssertion } from './fill-assertion.ts';
import { fillTemplate, type Variables } from './fill-template.ts';
import { ItemInput, itemFields } from './item-input.ts';

/** An item as it stands in a file. */
export interface RawItem {
  /** Where it stands, such as `line 3`. */
  place: string;
  /** Its id, where it has none of its own. */
  number: number;
  /** What {@link ItemInput} takes. */
  input: unknown;
  /** Fill variables into the values of assertions, too. */
  fillAssertions?: boolean;
}

export interface ItemBuilder {
  /** Undefined where something is wrong with it, which is among the faults then. */
  build(raw: RawItem): Promise<BatchItem | undefined>;
}

const maxSchemas = 1_000;

/** Makes items of what files hold. Remembers every id: about 100 bytes for each item. */
export function createItemBuilder(
  faults: Faults,
  { maxPromptBytes, system }: { maxPromptBytes: number; system?: string | undefined },
): ItemBuilder {
  const places = new Map<string, string>();
  const usable = new Set<string>();

  /** Schemas are mostly the same for all items. */
  async function findSchemaFault(schema: JsonObject): Promise<string | undefined> {
    const key = JSON.stringify(schema);
    if (usable.has(key)) return undefined;
    try {
      await checkJsonSchema(schema);
    } catch (error) {
      if (error instanceof JsonSchemaError) return [error.path, error.message].filter((text) => text !== '').join(': ');
      throw error;
    }
    if (usable.size >= maxSchemas) usable.clear();
    usable.add(key);
    return undefined;
  }

  return {
    async build({ place, number, input, fillAssertions }) {
      const parsed = ItemInput.safeParse(input, { reportInput: true });
      if (!parsed.success) {
        faults.add(place, ...parsed.error.issues.flatMap((issue) => describeIssue(issue, itemFields)));
        return undefined;
      }
      const { id = String(number), vars, assert } = parsed.data;
      const missing = new Set<string>();
      const fill: Fill = (text, write) =>
        vars === undefined ? text : fillTemplate(text, vars, (name) => missing.add(name), write);
      const messages = withSystem(toConversation(parsed.data), system).map((message) => fillMessage(message, fill));
      const settings = withoutUndefined(toSettings(parsed.data));
      const assertions = fillAssertions === true ? assert?.map((each) => fillAssertion(each, fill)) : assert;
      const found = [
        ...[...missing].map((name) => describeMissing(name, vars ?? {})),
        ...(places.has(id)
          ? [`id: ${JSON.stringify(id)} is that of ${places.get(id)}, too. Expected one of its own`]
          : []),
        ...findSizeFault(messages, settings, maxPromptBytes),
        // Of a template's as they were before: the same for all its items, and just as usable with values in it.
        ...(await findSchemaFaults(settings, assert, findSchemaFault)),
        ...(fillAssertions === true ? findPatternFaults(assertions) : []),
      ];
      places.set(id, place);
      faults.add(place, ...found);
      if (found.length > 0) return undefined;
      return {
        id,
        messages,
        ...(vars !== undefined && { vars }),
        ...(Object.keys(settings).length > 0 && { settings }),
        ...(assertions !== undefined && assertions.length > 0 && { assertions }),
      };
    },
  };
}

function describeMissing(name: string, vars: Variables): string {
  const known = Object.keys(vars);
  const list = known.length === 0 ? 'there is none' : `there are ${known.join(', ')}`;
  return `vars: {{${name}}} stands in the text, and there is no variable ${name} (${list}). Write \\{{${name}}} for the braces themselves`;
}

async function findSchemaFaults(
  { responseFormat }: GenerationSettings,
  assertions: readonly Assertion[] | undefined,
  find: (schema: JsonObject) => Promise<string | undefined>,
): Promise<string[]> {
  const schemas = [
    ...(responseFormat?.type === 'json_schema'
      ? [{ path: 'response_format.schema', schema: responseFormat.schema }]
      : []),
    ...(assertions ?? []).flatMap((each, index) =>
      each.type === 'json_schema' && each.schema !== undefined
        ? [{ path: `assert[${index}].schema`, schema: each.schema }]
        : [],
    ),
  ];
  const faults: string[] = [];
  for (const { path, schema } of schemas) {
    const fault = await find(schema);
    if (fault !== undefined) faults.push(`${path}: is no usable JSON Schema: ${fault}`);
  }
  return faults;
}

function findPatternFaults(assertions: readonly Assertion[] = []): string[] {
  return assertions.flatMap((each, index) => {
    const fault = each.type === 'regex' ? findPatternFault(each.pattern, each.flags) : undefined;
    return fault === undefined ? [] : [`assert[${index}].pattern: ${fault}`];
  });
}

function findSizeFault(messages: readonly Message[], settings: GenerationSettings, maxBytes: number): string[] {
  const bytes = countTextBytes(messages, settings);
  if (bytes <= maxBytes) return [];
  const [is, limit] = [bytes, maxBytes].map((count) => count.toLocaleString('en-US'));
  return [`its text is ${is} bytes long; the limit is ${limit} (AIMM_MAX_PROMPT_BYTES)`];
}

/** What holds for all items gives way to an item's own. */
function withSystem(messages: Message[], system: string | undefined): Message[] {
  if (system === undefined || messages.some(({ role }) => role === 'system')) return messages;
  return [{ role: 'system', content: [{ type: 'text', text: system }] }, ...messages];
}

function fillMessage(message: Message, fill: Fill): Message {
  const fillPart = (part: MessagePart): MessagePart =>
    part.type === 'text' ? { ...part, text: fill(part.text) } : part;
  return { ...message, content: message.content.map(fillPart) };
}

function withoutUndefined(settings: GenerationSettings): GenerationSettings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));
}
