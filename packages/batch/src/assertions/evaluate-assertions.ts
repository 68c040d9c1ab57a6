import type { Assertion, AssertionOutcome } from '@aimm/contracts';
import { JsonSchemaError } from '@aimm/runtime';
import { type AssertionChecks, createAssertionChecks, matchWithinMs } from './checks.ts';
import { toSimilarity } from './similarity.ts';

/** What is held against assertions. `costNanoUsd` null: the price is unknown. `providerMs`: the last call. */
export interface AssertedAnswer {
  text: string;
  structured?: unknown;
  costNanoUsd?: number | null | undefined;
  providerMs?: number | undefined;
}

type Finding = Omit<AssertionOutcome, 'name'>;

/**
 * Holds an answer against assertions, without asking anybody. One outcome for each, in their order.
 *
 * @param checks for many answers, one that is kept: schemas are compiled once then
 */
export async function evaluateAssertions(
  assertions: readonly Assertion[],
  answer: AssertedAnswer,
  checks: AssertionChecks = createAssertionChecks(),
): Promise<AssertionOutcome[]> {
  const names = toAssertionNames(assertions);
  const outcomes: AssertionOutcome[] = [];
  for (const [index, assertion] of assertions.entries())
    outcomes.push({ name: names[index] ?? assertion.type, ...(await evaluate(assertion, answer, checks)) });
  return outcomes;
}

/** The name of each: its own, else its type; a number follows where an earlier one has the same. */
export function toAssertionNames(assertions: readonly Pick<Assertion, 'name' | 'type'>[]): string[] {
  const names = new Set<string>();
  for (const { name, type } of assertions) {
    const wanted = name ?? type;
    let free = wanted;
    for (let number = 2; names.has(free); number += 1) free = `${wanted} ${number}`;
    names.add(free);
  }
  return [...names];
}

async function evaluate(assertion: Assertion, answer: AssertedAnswer, checks: AssertionChecks): Promise<Finding> {
  switch (assertion.type) {
    case 'contains':
      return toFinding(holds(answer.text, assertion), `does not contain ${quote(assertion.value)}`);
    case 'not_contains':
      return toFinding(!holds(answer.text, assertion), `contains ${quote(assertion.value)}`);
    case 'equals': {
      const [is, wanted] = [fold(answer.text, assertion).trim(), fold(assertion.value, assertion).trim()];
      return toFinding(is === wanted, `is ${quote(answer.text.trim())}, not ${quote(assertion.value.trim())}`);
    }
    case 'regex': {
      const found = checks.matches(new RegExp(assertion.pattern, assertion.flags), answer.text);
      if (found === undefined)
        return toFinding(false, `the pattern ${quote(assertion.pattern)} took longer than ${matchWithinMs} ms`);
      return toFinding(found, `does not match ${quote(assertion.pattern)}`);
    }
    case 'json_schema':
      return evaluateJson(assertion.schema, answer, checks);
    case 'similarity': {
      const { score, cut } = toSimilarity(answer.text, assertion.value);
      const passed = score >= assertion.threshold;
      const notes = [
        ...(passed ? [] : [`${score.toFixed(2)} alike, less than ${assertion.threshold}`]),
        ...(cut ? ['only the first 10,000 characters were compared'] : []),
      ];
      return { passed, score, ...(notes.length > 0 && { reason: notes.join('; ') }) };
    }
    case 'max_cost': {
      const { costNanoUsd: cost } = answer;
      if (cost === undefined || cost === null) return toFinding(false, 'the price is unknown');
      return toFinding(
        cost <= assertion.nanoUsd,
        `cost $${toDecimal(cost)}, more than $${toDecimal(assertion.nanoUsd)}`,
      );
    }
    case 'max_latency': {
      const { providerMs: ms } = answer;
      if (ms === undefined) return toFinding(false, 'its time is unknown');
      return toFinding(ms <= assertion.ms, `took ${Math.ceil(ms)} ms, more than ${assertion.ms} ms`);
    }
  }
}

async function evaluateJson(schema: object | undefined, answer: AssertedAnswer, checks: AssertionChecks) {
  const parsed = answer.structured === undefined ? parseJson(answer.text) : { value: answer.structured };
  if (parsed === undefined) return toFinding(false, 'is not JSON');
  if (schema === undefined) return toFinding(true, '');
  try {
    const faults = (await checks.compile(schema))(parsed.value);
    return toFinding(faults.length === 0, faults.slice(0, 3).join('; '));
  } catch (error) {
    if (error instanceof JsonSchemaError) return toFinding(false, `the schema is not usable: ${error.message}`);
    throw error;
  }
}

function parseJson(text: string): { value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined; // said by the caller
  }
}

/** A letter with an accent may be written in two ways that look the same. */
function fold(text: string, { ignoreCase }: { ignoreCase?: boolean | undefined }): string {
  const same = text.normalize('NFC');
  return ignoreCase === true ? same.toLowerCase() : same;
}

function holds(text: string, wanted: { value: string; ignoreCase?: boolean | undefined }): boolean {
  return fold(text, wanted).includes(fold(wanted.value, wanted));
}

function toFinding(passed: boolean, reason: string): Finding {
  return passed ? { passed } : { passed, reason };
}

function quote(text: string): string {
  const points = Array.from(text.slice(0, 200));
  return JSON.stringify(points.length > 80 || text.length > 200 ? `${points.slice(0, 80).join('')}…` : text);
}

/** Nano-dollars in dollars, without an exponent. */
function toDecimal(nanoUsd: number): string {
  return (nanoUsd / 1e9).toFixed(9).replace(/\.?0+$/, '');
}
