import { isCount } from './usage.ts';

/** What a vendor said about a failure, wherever it said it: five shapes of body, or an error event in a stream. */
export interface ErrorBody {
  /** Its words for it, the most specific first, lower-cased: code, type, status, reason. */
  codes: string[];
  message: string;
  /** A status inside the body, where there is one (google, OpenRouter). */
  status?: number;
  /** The field of the request that it is about, where it is named. */
  param?: string;
  /** Google's list of details. */
  details: Record<string, unknown>[];
  /** llama.cpp's fields of a prompt that is too long: how long it was, and how long it may be. */
  counts?: { limit?: number; requested?: number };
}

type Fields = Record<string, unknown>;

export function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A body as text. What is not JSON becomes the message. */
export function parseErrorBody(text: string): ErrorBody {
  return describe(parseJson(text)) ?? { codes: [], message: text.trim(), details: [] };
}

/** What an SDK threw for an error event of a stream: the payload, or at least its text. */
export function readThrown(thrown: unknown): ErrorBody {
  const fields: Fields = isObject(thrown) ? Object.fromEntries(Object.entries(thrown)) : {};
  const message = thrown instanceof Error ? thrown.message : '';
  // google: "got status: X. {json}".
  const embedded = /[[{][^]*$/.exec(message)?.[0];
  const body = describe(fields['error']) ?? (embedded === undefined ? undefined : describe(parseJson(embedded)));
  return body ?? { codes: words(fields), message, details: [] };
}

/** {error:{…}}, [{error:{…}}], {error:"text"}, flat {message|detail, code, type}. */
function describe(value: unknown): ErrorBody | undefined {
  if (Array.isArray(value)) return value.length > 0 ? describe(value[0]) : undefined;
  if (typeof value === 'string') return { codes: [], message: value, details: [] };
  if (!isObject(value)) return undefined;
  const inner = value['error'];
  if (typeof inner === 'string') return { codes: words(value), message: inner, details: [] };
  if (isObject(inner)) return describe(inner);
  const details = Array.isArray(value['details']) ? value['details'].filter(isObject) : [];
  const message = value['message'] ?? value['detail'] ?? '';
  return {
    codes: [...details.flatMap((detail) => words({ code: detail['reason'] })), ...words(value)],
    message: typeof message === 'string' ? message : JSON.stringify(message),
    details,
    ...(isErrorStatus(value['code']) && { status: value['code'] }),
    ...(typeof value['param'] === 'string' && { param: value['param'] }),
    ...('n_ctx' in value && { counts: readCounts(value) }),
  };
}

function readCounts({ n_ctx: limit, n_prompt_tokens: requested }: Fields): NonNullable<ErrorBody['counts']> {
  return { ...(isCount(limit) && { limit }), ...(isCount(requested) && { requested }) };
}

function words(fields: Fields): string[] {
  const details = isObject(fields['details']) ? fields['details'] : {};
  return [details['error_code'], fields['code'], fields['type'], fields['status']]
    .filter((word) => typeof word === 'string' || (typeof word === 'number' && !isErrorStatus(word)))
    .map((word) => String(word).toLowerCase());
}

/** Some write the HTTP status into the body's code, some a number of their own. */
function isErrorStatus(value: unknown): value is number {
  return typeof value === 'number' && value >= 400 && value < 600;
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
