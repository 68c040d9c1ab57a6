import {
  type GenerationRequest,
  type GenerationResult,
  ModelManagerError,
  type ResponseFormat,
  type UnfitAnswer,
} from '@aimm/contracts';
import { compileJsonSchema, JsonSchemaError } from '@aimm/runtime';
import type { CallReport } from './make-call.ts';

export type CheckedAnswer =
  | { state: 'fits'; structured?: GenerationResult['structured'] }
  /** Another call may mend it. */
  | { state: 'unfit'; unfit: UnfitAnswer }
  /** Asking again would bring the same. */
  | { state: 'hopeless'; error: ModelManagerError };

interface Asked {
  provider: string;
  request: GenerationRequest;
  /** The stand-in of the demo says what it says: its answers are labelled, not mended. */
  demo?: boolean;
}

/** Holds an answer against the form that was asked for: JSON, or JSON that satisfies the user's schema. */
export async function checkAnswer({ provider, request, demo }: Asked, report: CallReport): Promise<CheckedAnswer> {
  const format = request.settings.responseFormat;
  // Whoever asks for tools answers in the next turn.
  if (format === undefined || format.type === 'text' || report.toolCalls.length > 0) return { state: 'fits' };
  const value = parseAnswer(report.text);
  let faults: string[];
  try {
    faults = value === undefined ? ['the answer is not JSON'] : await findFaults(format, value);
  } catch (error) {
    if (!(error instanceof JsonSchemaError)) throw error;
    return { state: 'hopeless', error: unusable(provider, error) };
  }
  if (value !== undefined && faults.length === 0) return { state: 'fits', structured: value };
  if (demo === true) return { state: 'fits' };
  switch (report.finishReason?.unified) {
    case 'length':
      return { state: 'hopeless', error: cutOff(provider, request) };
    case 'content_filter':
      return { state: 'hopeless', error: refused(provider, request) };
    default:
      return { state: 'unfit', unfit: { text: report.text, faults } };
  }
}

async function findFaults(format: ResponseFormat, value: unknown): Promise<string[]> {
  return format.type === 'json_schema' ? (await compileJsonSchema(format.schema))(value) : [];
}

/** Models like to fence what they were asked to give bare; that is no reason to pay for another call. */
function parseAnswer(text: string): GenerationResult['structured'] {
  const bare = text.trim();
  const fenced = /^```(?:json)?\s*\n([^]*?)\n?\s*```$/i.exec(bare)?.[1];
  try {
    return JSON.parse(fenced ?? bare) as GenerationResult['structured']; // JSON.parse gives JSON
  } catch {
    return undefined;
  }
}

/** Of a long answer the beginning: the model is to see what went wrong, not to pay for all of it once more. */
const shownChars = 20_000;

/** The request with the unfit answer and its faults put before the model. */
export function toRepairRequest(request: GenerationRequest, { text, faults }: UnfitAnswer): GenerationRequest {
  const shown = text.length <= shownChars ? text : `${text.slice(0, shownChars)}…`;
  const order = [
    'That answer is not in the form asked for:',
    ...faults.map((fault) => `- ${fault}`),
    'Answer again with the whole corrected JSON and nothing else.',
  ].join('\n');
  return {
    ...request,
    messages: [
      ...request.messages,
      // Vendors refuse a turn without text.
      ...(shown.trim() === ''
        ? []
        : [{ role: 'assistant' as const, content: [{ type: 'text' as const, text: shown }] }]),
      { role: 'user', content: [{ type: 'text', text: order }] },
    ],
  };
}

/** Why the text sent so far is void. */
export function isMended({ provider, request }: Asked): ModelManagerError {
  const message = `${provider}/${request.model} did not answer in the form asked for; it is told what is wrong and asked once more.`;
  return new ModelManagerError('server_error', message, { provider });
}

/** The answer to the repair did not fit either. */
export function stillUnfit({ provider, request }: Asked, { faults }: UnfitAnswer): ModelManagerError {
  const model = `${provider}/${request.model}`;
  return new ModelManagerError(
    'server_error',
    `${model} did not answer in the form that response_format asks for, nor when it was told what was wrong.`,
    {
      provider,
      retryable: true,
      hint: `What did not fit: ${faults.slice(0, 3).join('; ').slice(0, 600)}. Ask again, simplify the schema, or ask another model.`,
    },
  );
}

/** Nobody refused it when it was asked: an older front, or one of another version of the check. */
function unusable(provider: string, cause: JsonSchemaError): ModelManagerError {
  return new ModelManagerError(
    'invalid_request',
    `The answer could not be checked: the schema of response_format is not usable (${cause.message}).`,
    { provider, retryable: false, hint: 'Correct the schema and ask again.', cause },
  );
}

function cutOff(provider: string, { model, settings }: GenerationRequest): ModelManagerError {
  const limit = settings.maxOutputTokens;
  return new ModelManagerError(
    'server_error',
    `The answer of ${provider}/${model} was cut off before its JSON was whole.`,
    {
      provider,
      retryable: false,
      hint: `Raise max_output_tokens${limit === undefined ? '' : ` (${limit} now)`}, or ask for less.`,
    },
  );
}

function refused(provider: string, { model }: GenerationRequest): ModelManagerError {
  return new ModelManagerError('content_filtered', `${provider}/${model} declined to answer.`, { provider });
}
