import { readFileSync } from 'node:fs';
import { type ParseError, parse, printParseErrorCode } from 'jsonc-parser';
import type * as z from 'zod';
import type { ConfigFault } from './catalog.ts';

export interface ConfigFileContent<T> {
  source: string;
  /** Absent when the file is missing or no JSON: nothing can be said about its content. */
  raw?: unknown;
  /** Absent when there is any fault. */
  value?: T;
  faults: ConfigFault[];
}

/** Reads and parses one file. Never throws: whatever is wrong becomes a fault, all of them at once. */
export function readConfigFile<T>(source: string, schema: z.ZodType<T>): ConfigFileContent<T> {
  let content: string;
  try {
    content = readFileSync(source, 'utf8').replace(/^\uFEFF/, '');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error && error.code === 'ENOENT' ? 'there is none' : `${error}`;
    return { source, faults: [{ source, path: '(file)', expected: `a readable file (${reason})` }] };
  }
  const errors: ParseError[] = [];
  const raw: unknown = parse(content, errors, { disallowComments: true });
  // The parser goes on after an error; what it finds then is mostly the first one's echo.
  const [first] = errors;
  if (first !== undefined) {
    return { source, faults: [{ source, path: toLineColumn(content, first.offset), expected: describeSyntax(first) }] };
  }
  const parsed = schema.safeParse(raw, { error: describeIssue });
  if (parsed.success) return { source, raw, value: parsed.data, faults: [] };
  return { source, raw, faults: parsed.error.issues.flatMap((issue) => toFaults(source, issue)) };
}

function toFaults(source: string, issue: z.core.$ZodIssue): ConfigFault[] {
  const paths = issue.code === 'unrecognized_keys' ? issue.keys.map((key) => [...issue.path, key]) : [issue.path];
  const expected = issue.message.replace(/^expected /, '');
  return paths.map((path) => ({ source, path: formatPath(path), expected }));
}

/** `providers[2].concurrency` */
function formatPath(path: readonly PropertyKey[]): string {
  if (path.length === 0) return '(top level)';
  return path.reduce<string>((text, key) => {
    if (typeof key === 'number') return `${text}[${key}]`;
    return text === '' ? String(key) : `${text}.${String(key)}`;
  }, '');
}

/** What a value should have been, for issues whose schema does not say it itself. */
function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return describeType(issue.expected);
    case 'unrecognized_keys':
      return 'a setting that exists; nothing has this name';
    case 'invalid_value':
      return `one of ${issue.values.join(', ')}`;
    case 'invalid_key':
      return issue.issues[0]?.message;
    case 'too_small':
      return `at least ${issue.minimum}`;
    case 'too_big':
      return `at most ${issue.maximum}`;
    default:
      return undefined;
  }
}

function describeType(expected: string): string {
  const words: Record<string, string> = {
    string: 'a text',
    array: 'a list',
    boolean: 'true or false',
    int: 'a whole number',
  };
  return words[expected] ?? `${/^[aeiou]/.test(expected) ? 'an' : 'a'} ${expected}`;
}

function toLineColumn(content: string, offset: number): string {
  const before = content.slice(0, offset).split('\n');
  return `line ${before.length}, column ${(before.at(-1)?.length ?? 0) + 1}`;
}

const syntaxWords: Readonly<Record<string, string>> = {
  CommaExpected: 'a comma',
  ColonExpected: 'a colon',
  PropertyNameExpected: 'a name in double quotes (no comma stands after the last entry)',
  ValueExpected: 'a value (no comma stands after the last one)',
  CloseBraceExpected: 'a closing }',
  CloseBracketExpected: 'a closing ]',
  EndOfFileExpected: 'the end of the file',
  UnexpectedEndOfString: 'a closing double quote',
  InvalidCommentToken: 'no comment: JSON has none',
};

function describeSyntax({ error }: ParseError): string {
  return syntaxWords[printParseErrorCode(error)] ?? 'valid JSON';
}
