import type { ErrorCode } from '@aimm/contracts';
import type { ProviderSettings } from '../model-provider.ts';
import { GuardStop } from '../stream-guard.ts';
import { type ContextOverflow, findContextOverflow, findRateOverflow } from './context-overflow.ts';
import type { ErrorBody } from './error-body.ts';
import type { Exchange } from './transport.ts';

interface Wording {
  code: ErrorCode;
  /** Asking again gives the same, although it may help with the code. */
  isFinal: boolean;
  settings: ProviderSettings;
  model: string | undefined;
  /** What the catalog says of how much the model can read, in tokens. */
  contextWindow: number | undefined;
  facts: ErrorBody;
  exchange: Exchange;
  thrown: unknown;
}

/** Our sentence for a failed call. Nothing the vendor wrote gets in, but the name of a refused field. */
export function describeError(wording: Wording): string {
  const { code, isFinal, settings, model, facts, exchange, thrown } = wording;
  const { id } = settings;
  const about = model === undefined ? id : `${id}/${model}`;
  switch (code) {
    case 'cancelled':
      return `The call to ${about} was cancelled.`;
    case 'timeout':
      return thrown instanceof GuardStop
        ? describeTimer(thrown, about)
        : `${about} took too long and gave up by itself.`;
    case 'authentication':
      return settings.apiKey ? `${id} refused the API key.` : `${id} wants an API key and there is none.`;
    case 'permission':
      return `${id} does not allow this key to use ${model ?? 'this'}.`;
    case 'unknown_model':
      return `${id} does not serve a model called "${model ?? ''}".`;
    case 'rate_limited':
      if (isFinal) {
        return `The request is larger than ${id} allows ${model ?? 'it'} in a minute${describeNumbers(findRateOverflow(facts))}.`;
      }
      return `${id} is limiting the rate of calls to ${model ?? 'it'}.`;
    case 'quota_exceeded':
      return `The quota or credit at ${id} is used up.`;
    case 'context_length_exceeded':
      return `The prompt is longer than ${about} can read${describeOverflow(wording)}.`;
    case 'content_filtered':
      return `${about} refused the content of the request.`;
    case 'overloaded':
      return `${about} is overloaded.`;
    case 'network':
      if (exchange.status === 407) return `The proxy on the way to ${hostOf(settings)} wants a user name and password.`;
      return exchange.status === undefined
        ? `${id} could not be reached at ${hostOf(settings)}.`
        : `The connection to ${about} broke before the answer was complete.`;
    case 'invalid_request':
      return `${about} refused the request${nameField(facts.param)}.`;
    default:
      return describeServerError(about, exchange);
  }
}

/** What the reader can do about it. */
export function hintFor({ code, isFinal, settings, exchange }: Wording): string | undefined {
  const variable = settings.apiKeyVariable;
  const base = baseUrlVariable(settings);
  switch (code) {
    case 'authentication':
      return variable === undefined ? `Give ${settings.id} a valid API key.` : `Set ${variable} to a valid API key.`;
    case 'permission':
      return 'Check what the key, its project and its region may use in the console of the provider.';
    case 'unknown_model':
      return `List the models of ${settings.id} to see what it serves.`;
    case 'rate_limited':
      if (isFinal) return 'Shorten the request or its max_output_tokens, raise the limit there, or use another model.';
      return 'Wait and try again, or lower the rate in the settings of this provider.';
    case 'quota_exceeded':
      return 'Check credit and spending limits in the console of the provider, or use another provider.';
    case 'context_length_exceeded':
      return 'Shorten the conversation, or pick a model with a larger context window.';
    case 'content_filtered':
      return 'Rephrase the request, or use another model.';
    case 'overloaded':
      return 'Try again in a little while, or use another model.';
    case 'timeout':
      return 'Allow more time, ask for a shorter answer, or use a faster model.';
    case 'network':
      if (exchange.status === 407) return 'Put them into HTTPS_PROXY and HTTP_PROXY: http://user:password@proxy:port.';
      if (exchange.status !== undefined) return 'Try again.';
      return `Check the network${settings.proxy === undefined ? '' : ', the proxy (HTTPS_PROXY, NO_PROXY)'}, and ${base}.`;
    case 'invalid_request':
      return "Check the request's settings against what the model takes; the log has the provider's own words.";
    case 'server_error':
      return exchange.oddity !== undefined || exchange.status === 404 ? `Check ${base}.` : 'Try again.';
    default:
      return undefined;
  }
}

const thousands = (tokens: number) => tokens.toLocaleString('en-US');

/** By how much, as far as the vendor says; else what the catalog knows. */
function describeOverflow({ facts, contextWindow }: Wording): string {
  return describeNumbers(findContextOverflow(facts), contextWindow);
}

function describeNumbers({ limit, requested }: ContextOverflow, otherwise?: number): string {
  if (limit !== undefined && requested !== undefined && requested > limit) {
    const over = thousands(requested - limit);
    return `: ${thousands(requested)} tokens where ${thousands(limit)} fit, ${over} too many`;
  }
  const most = limit ?? otherwise;
  return most === undefined ? '' : `: ${thousands(most)} tokens fit`;
}

function describeTimer(stop: GuardStop, about: string): string {
  const seconds = Math.round(stop.afterMs / 100) / 10;
  if (stop.why === 'first-byte') return `${about} did not begin to answer within ${seconds} s.`;
  if (stop.why === 'idle') return `${about} fell silent for ${seconds} s in the middle of its answer.`;
  return `${about} did not finish within ${seconds} s.`;
}

function describeServerError(about: string, { oddity, status }: Exchange): string {
  if (oddity === 'web_page') return `${about}: a web page came back in place of an answer.`;
  if (oddity === 'redirect') return `${about}: the address only redirects elsewhere.`;
  if (status === 404) return `${about}: there is no such service at this address.`;
  if (status !== undefined && status < 400) return `${about} sent an answer that makes no sense.`;
  return `${about} failed on its side.`;
}

/** Names such as `messages[0].content`; anything else the vendor put there stays out. */
function nameField(param: string | undefined): string {
  return param !== undefined && /^[\w.[\]]{1,64}$/.test(param) ? ` because of its field "${param}"` : '';
}

function hostOf({ baseUrl, id }: ProviderSettings): string {
  return baseUrl !== undefined && URL.canParse(baseUrl) ? new URL(baseUrl).host : `the address of ${id}`;
}

function baseUrlVariable({ id, baseUrl }: ProviderSettings): string {
  return baseUrl === undefined ? `that nothing blocks calls to ${id}` : `the base URL of ${id}`;
}
