import type { JsonObject } from '@aimm/contracts';
import { isObject } from './error-body.ts';

/**
 * The schema with every object closed that did not say whether it is: structured outputs demand it. What is valid
 * under the closed schema is valid under the given one. One that cannot be closed comes back as it is.
 */
export function closeObjects(schema: JsonObject): JsonObject {
  if (!canBeClosed(schema)) return schema;
  return mapSchema(schema, (node) =>
    isObject(node['properties']) && !('additionalProperties' in node) ? { ...node, additionalProperties: false } : node,
  );
}

/**
 * Whether something would satisfy it once its objects are closed: where two parts of a schema hold for the same object and each
 * names properties, each would forbid the other's.
 */
export function canBeClosed(schema: JsonObject): boolean {
  let can = true;
  mapSchema(schema, (node) => {
    const all = Array.isArray(node['allOf']) ? node['allOf'] : [];
    const others = ['anyOf', 'oneOf'].map((word) => node[word]).filter(Array.isArray);
    const chosen = ['if', 'then', 'else'].map((word) => node[word]);
    const parts = [
      ...all.filter(namesProperties),
      ...[...others, chosen].filter((branches) => branches.some(namesProperties)),
    ];
    const own = Number('properties' in node) + Number('$ref' in node) + Number('dependentSchemas' in node);
    if (parts.length + own > 1) can = false;
    return node;
  });
  return can;
}

function namesProperties(node: unknown): boolean {
  if (!isObject(node)) return false;
  if ('properties' in node || '$ref' in node) return true;
  return ['allOf', 'anyOf', 'oneOf'].some((word) => Array.isArray(node[word]) && node[word].some(namesProperties));
}

/** Whether OpenAI's strict mode takes it: objects closed, every property required, no keyword it refuses. */
export function isStrictSchema(schema: JsonObject): boolean {
  let strict = schema['type'] === 'object';
  mapSchema(schema, (node) => {
    const properties = isObject(node['properties']) ? Object.keys(node['properties']) : [];
    const required = Array.isArray(node['required']) ? node['required'] : [];
    const isOpen = node['type'] === 'object' && node['additionalProperties'] !== false;
    const refused = ['allOf', 'oneOf', 'not', 'if', 'patternProperties', 'dependentRequired', 'dependentSchemas'];
    if (isOpen || properties.some((name) => !required.includes(name)) || refused.some((word) => word in node)) {
      strict = false;
    }
    return node;
  });
  return strict;
}

/** A copy with `change` applied to every schema in it, leaving names of properties and values of examples alone. */
function mapSchema(schema: JsonObject, change: (node: JsonObject) => JsonObject): JsonObject {
  const inner = Object.entries(schema).map(([key, value]): [string, unknown] => {
    if (['properties', '$defs', 'definitions', 'patternProperties'].includes(key) && isObject(value)) {
      return [key, Object.fromEntries(Object.entries(value).map(([name, node]) => [name, mapNode(node, change)]))];
    }
    if (['anyOf', 'oneOf', 'allOf', 'prefixItems'].includes(key) && Array.isArray(value)) {
      return [key, value.map((node) => mapNode(node, change))];
    }
    return [key, ['items', 'not', 'additionalProperties'].includes(key) ? mapNode(value, change) : value];
  });
  return change(Object.fromEntries(inner) as JsonObject); // built from JSON
}

function mapNode(node: unknown, change: (node: JsonObject) => JsonObject): unknown {
  return isObject(node) ? mapSchema(node as JsonObject, change) : node; // a value inside JSON
}

/** A schema's name as OpenAI and Mistral take it: letters, digits, `_` and `-`, at most 64. */
export function schemaName(name: string | undefined): string {
  const clean = (name ?? '').replaceAll(/[^\w-]+/g, '_').slice(0, 64);
  return clean === '' ? 'answer' : clean;
}
