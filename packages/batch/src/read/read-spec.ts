import type { RawItem } from './build-item.ts';
import type { Faults } from './faults.ts';

/** More items than anybody means to ask for. */
const maxCombinations = 1_000_000;

/**
 * A template with its variables, `{"prompt": "…{{lang}}…", "vars": {"lang": ["de", "fr"]}}`: an item for every combination,
 * the last variable changing first. A variable that is no list has that one value.
 */
export function* readSpec(spec: unknown, faults: Faults): Generator<RawItem> {
  if (typeof spec !== 'object' || spec === null)
    return faults.add(
      'the file',
      'expected {"prompt": "…{{name}}…", "vars": {"name": ["…", "…"]}}, or a list of items',
    );
  const { vars = {}, ...rest } = spec as Record<string, unknown>;
  if (typeof vars !== 'object' || vars === null || Array.isArray(vars))
    return faults.add('the file', 'vars: expected an object with a list of values for each variable');
  if ('id' in rest) return faults.add('the file', 'id: a template has none; its items are numbered. Remove it');
  const lists = Object.entries(vars).map(
    ([name, values]) => [name, Array.isArray(values) ? values : [values]] as const,
  );
  const empty = lists.find(([, values]) => values.length === 0);
  if (empty !== undefined) return faults.add('the file', `vars.${empty[0]}: expected at least one value`);
  const total = lists.reduce((product, [, values]) => product * values.length, 1);
  if (total > maxCombinations)
    return faults.add('the file', `vars: these make ${total} combinations; the limit is ${maxCombinations}`);
  for (let index = 0; index < total; index += 1) {
    const chosen = pick(lists, index);
    const place = `combination ${index + 1}`;
    yield { place, number: index + 1, input: { ...rest, vars: chosen }, fillAssertions: true };
  }
}

function pick(lists: readonly (readonly [string, readonly unknown[]])[], index: number): Record<string, unknown> {
  let rest = index;
  const chosen = lists.toReversed().map(([name, values]) => {
    const value = values[rest % values.length];
    rest = Math.floor(rest / values.length);
    return [name, value] as const;
  });
  return Object.fromEntries(chosen.toReversed());
}
