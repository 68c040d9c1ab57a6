import { type ErrorCode, ModelManagerError } from '@aimm/contracts';
import type { ProviderSettings } from '../model-provider.ts';
import { GuardStop } from '../stream-guard.ts';
import { describeError, hintFor } from './error-wording.ts';
import { type ErrorBody, parseErrorBody, readThrown } from './error-body.ts';
import { findRetryAfterMs } from './retry-after.ts';
import { type Exchange, findRequestId, findResponseFault } from './transport.ts';

/** What a rule looks at. `status` is the response's, or the one inside the body of a stream's error event. */
export interface ErrorFacts extends ErrorBody {
  headers: Record<string, string>;
}

/** One line of a vendor's own knowledge; all conditions that are given must hold. Rules are tried in order. */
export interface ErrorRule {
  code: ErrorCode;
  status?: readonly number[];
  /** Any of these words, lower-case. */
  words?: readonly string[];
  message?: RegExp;
  test?: (facts: ErrorFacts) => boolean;
  /** Set where asking again gives the same, although it may help with the code. */
  retryable?: false;
  /** Set where it is about what was kept with the tool calls. */
  refused?: 'kept';
}

/** A vendor's own way out of an error, where it has a better one; `unreachable` when nothing answered at all. */
export type VendorHints = Partial<Record<ErrorCode | 'unreachable', (model: string) => string>>;

/** What is known where the error is caught. */
export interface ErrorContext {
  settings: ProviderSettings;
  rules: readonly ErrorRule[];
  exchange: Exchange;
  /** The model that was asked; absent for calls about none, such as listings. */
  model?: string | undefined;
  /** How much it can read as far as the catalog knows, in tokens. */
  contextWindow?: number | undefined;
  /** Events that the stream had given. */
  events?: number;
  hints?: VendorHints | undefined;
  /** Set where the caller knows it already. */
  code?: ErrorCode;
}

/**
 * Whatever a call threw, as our error. Decided in this order: what we stopped ourselves, what is odd about the
 * response, the vendor's rules over the body, the HTTP status, the words of an error event, the class of the error.
 */
export function toProviderError(thrown: unknown, given: ErrorContext): ModelManagerError {
  if (thrown instanceof ModelManagerError) return thrown;
  const context = { ...given, exchange: findResponseFault(thrown)?.exchange ?? given.exchange };
  const { settings, exchange, model } = context;
  const body = exchange.errorBody === undefined ? readThrown(thrown) : parseErrorBody(exchange.errorBody);
  const failed = exchange.errorBody === undefined ? undefined : exchange.status;
  const status = failed ?? body.status;
  const facts: ErrorFacts = { ...body, headers: exchange.headers, ...(status !== undefined && { status }) };
  const code = context.code ?? decideCode(thrown, facts, context);
  const rule = context.rules.find((one) => matches(one, facts) && one.code === code);
  const isFinal = rule?.retryable === false;
  const { http, https } = settings.proxy ?? {};
  const secrets = [settings.apiKey, passwordOf(http), passwordOf(https)];
  const redact = (text: string) => secrets.reduce<string>(redactKey, text);
  // Our own sentences hold no vendor's text; a short key (`demo`) may be a word of theirs.
  const redactOwn = (text: string) => ((settings.apiKey ?? '').length < 8 ? text : redact(text));
  const said = [
    status === undefined ? '' : `HTTP ${status}`,
    facts.codes[0] ?? '',
    facts.message,
    findCause(thrown),
    findRequestId(exchange) ?? '',
  ];
  const wanted =
    !isFinal &&
    (code === 'rate_limited' || code === 'overloaded' || code === 'quota_exceeded' || code === 'server_error');
  const wording = { code, isFinal, settings, model, contextWindow: context.contextWindow, facts, exchange, thrown };
  const topic = code === 'network' && exchange.status === undefined ? 'unreachable' : code;
  const hint = context.hints?.[topic]?.(model ?? '') ?? hintFor(wording);
  return new ModelManagerError(code, redactOwn(describeError(wording)), {
    provider: settings.id,
    appliesTo: findLimited(code, facts, model),
    refused: rule?.refused,
    hint: hint === undefined ? undefined : redactOwn(hint),
    retryAfterMs: wanted ? findRetryAfterMs(exchange.headers, facts) : undefined,
    // Asking again where there is no such address, only a redirect, or a proxy without the password gives the same.
    retryable:
      isFinal || status === 407 || (code === 'server_error' && (status === 404 || exchange.oddity === 'redirect'))
        ? false
        : undefined,
    vendorMessage: redact(said.filter((part) => part !== '').join(' ')).slice(0, 300),
    cause: redactedCause(thrown, redact),
  });
}

/** A limit that names the model is the model's: others of the provider need not wait. What names nobody is everybody's. */
function findLimited(
  code: ErrorCode,
  { message, details }: ErrorFacts,
  model: string | undefined,
): 'model' | undefined {
  if ((code !== 'rate_limited' && code !== 'overloaded') || model === undefined) return undefined;
  const named = message.toLowerCase().includes(model.toLowerCase()) || /\b(this|that|the) model\b/i.test(message);
  // Google names it in the quota that was violated.
  return named || details.some((detail) => /per_?model|"model"/i.test(JSON.stringify(detail['violations'] ?? '')))
    ? 'model'
    : undefined;
}

function decideCode(
  thrown: unknown,
  facts: ErrorFacts,
  { rules, exchange, events = 0, model }: ErrorContext,
): ErrorCode {
  if (thrown instanceof GuardStop && thrown.why !== 'unfinished')
    return thrown.why === 'user' ? 'cancelled' : 'timeout';
  if (exchange.oddity !== undefined) return 'server_error';
  const code =
    rules.find((rule) => matches(rule, facts))?.code ??
    codeOfStatus(facts.status) ??
    codeOfWords(facts.codes) ??
    codeOfClass(thrown, exchange, events);
  // Not found, when no model was asked for: there is no such API.
  return code === 'unknown_model' && model === undefined ? 'server_error' : code;
}

function matches(rule: ErrorRule, facts: ErrorFacts): boolean {
  return (
    (rule.status === undefined || (facts.status !== undefined && rule.status.includes(facts.status))) &&
    (rule.words === undefined || rule.words.some((word) => facts.codes.includes(word))) &&
    (rule.message === undefined || rule.message.test(facts.message)) &&
    (rule.test === undefined || rule.test(facts))
  );
}

function codeOfStatus(status: number | undefined): ErrorCode | undefined {
  if (status === undefined || status < 400) return undefined;
  const known: Record<number, ErrorCode> = {
    401: 'authentication',
    402: 'quota_exceeded',
    403: 'permission',
    404: 'unknown_model',
    // Of a proxy on the way.
    407: 'network',
    408: 'timeout',
    409: 'server_error',
    429: 'rate_limited',
    503: 'overloaded',
    504: 'timeout',
    529: 'overloaded',
  };
  return known[status] ?? (status >= 499 ? 'server_error' : 'invalid_request');
}

/** Error events inside a stream carry a word and no status. */
function codeOfWords(codes: readonly string[]): ErrorCode | undefined {
  const known: Record<string, ErrorCode> = {
    api_error: 'server_error',
    authentication_error: 'authentication',
    deadline_exceeded: 'timeout',
    internal: 'server_error',
    invalid_argument: 'invalid_request',
    invalid_request_error: 'invalid_request',
    not_found_error: 'unknown_model',
    overloaded_error: 'overloaded',
    permission_error: 'permission',
    rate_limit_error: 'rate_limited',
    rate_limit_exceeded: 'rate_limited',
    rate_limited: 'rate_limited',
    resource_exhausted: 'rate_limited',
    server_error: 'server_error',
    server_is_overloaded: 'overloaded',
    service_unavailable_error: 'overloaded',
    slow_down: 'rate_limited',
    timeout_error: 'timeout',
    unavailable: 'overloaded',
  };
  return codes.map((word) => known[word]).find((code) => code !== undefined);
}

function codeOfClass(thrown: unknown, exchange: Exchange, events: number): ErrorCode {
  // The SDK refused to send it.
  if (!exchange.sent) return 'invalid_request';
  if (exchange.status === undefined || findCause(thrown) !== '' || isCut(thrown)) return 'network';
  const broken = thrown instanceof GuardStop || thrown instanceof SyntaxError || isIncomplete(thrown);
  return broken && events > 0 && exchange.oddity === undefined ? 'network' : 'server_error';
}

function isCut(thrown: unknown): boolean {
  return thrown instanceof TypeError && /terminated|fetch failed/.test(thrown.message);
}

function isIncomplete(thrown: unknown): boolean {
  return thrown instanceof Error && /^(Incomplete JSON segment|Did not receive done)/.test(thrown.message);
}

/** The system's word for a broken connection (`ECONNREFUSED`), from the chain of causes; else empty. */
function findCause(thrown: unknown): string {
  for (let error = thrown, depth = 0; error instanceof Error && depth < 6; error = error.cause, depth += 1) {
    if ('code' in error && typeof error.code === 'string' && /^(E[A-Z]|UND_ERR)/.test(error.code)) return error.code;
  }
  return '';
}

/** The key as it is and as it stands in a URL. */
function redactKey(text: string, key: string | undefined): string {
  if (key === undefined || key === '') return text;
  return text.replaceAll(key, '[key]').replaceAll(encodeURIComponent(key), '[key]');
}

/** Of a proxy; a short one may be an ordinary word. */
function passwordOf(url: string | undefined): string | undefined {
  const password = url === undefined ? '' : decodeURIComponent(new URL(url).password);
  return password.length < 8 ? undefined : password;
}

/** The SDK's error carries requests and headers; a log needs its name, text and place only. */
function redactedCause(thrown: unknown, redact: (text: string) => string): Error | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const cause = new Error(redact(thrown.message).slice(0, 300));
  cause.name = thrown.name;
  cause.stack = redact(thrown.stack ?? '').slice(0, 4000);
  return cause;
}
