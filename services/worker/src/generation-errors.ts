import type { Catalog } from '@aimm/catalog';
import { ModelManagerError } from '@aimm/contracts';

/** Why a call was stopped from our side. */
export function toCancelled(reason: unknown): ModelManagerError {
  return reason instanceof ModelManagerError ? reason : new ModelManagerError('cancelled', 'The call was stopped.');
}

/** Whoever asked wants it no more. */
export function cancelled(): ModelManagerError {
  return new ModelManagerError('cancelled', 'The request was cancelled.');
}

export function cutOff(model: string, provider: string): ModelManagerError {
  return new ModelManagerError(
    'outcome_unknown',
    `A call to ${model} was cut off by a crash; whether it was answered or billed is unknown.`,
    { provider, hint: 'Ask again if another call is wanted.' },
  );
}

/** The call broke after text of it was shown, and the request does not allow the answer to begin again. */
export function toBrokenOff(error: ModelManagerError): ModelManagerError {
  const way = 'The text so far is kept: get_job shows it. With allow_restart the answer would have begun again.';
  return new ModelManagerError(error.code, error.message, {
    ...error.toShape(),
    hint: error.hint === undefined ? way : `${way} ${error.hint}`,
    cause: error,
  });
}

export function tooLate(message: string, provider: string): ModelManagerError {
  return new ModelManagerError('timeout', message, {
    provider,
    retryable: false,
    hint: 'check_health shows how busy the provider is; give the request more time or ask another model.',
  });
}

/** The configuration has it no more, and no worker serves it. */
export function removedProvider(id: string): ModelManagerError {
  return new ModelManagerError('unknown_model', `The provider "${id}" was removed from config/providers.json.`, {
    provider: id,
    hint: 'No call was made. Ask a model of another provider (list_models), or put it back into that file and ask again.',
  });
}

/** `problem`: what is wrong with the keys that are there. */
export function notConfigured(id: string, catalog: Catalog, problem?: string): ModelManagerError {
  if (problem !== undefined) {
    return new ModelManagerError('authentication', `The provider "${id}" has no key that can be used.`, {
      provider: id,
      hint: problem,
    });
  }
  const variable = catalog.findProvider(id)?.apiKeyVariables[0];
  return new ModelManagerError('authentication', `The provider "${id}" is not configured: it has no API key.`, {
    provider: id,
    hint: [
      variable === undefined
        ? 'config/providers.json describes it.'
        : `Set ${variable} where the worker (or the client that starts the local stack) runs.`,
      `Or store one: \`aimm keys add ${id}\`.`,
    ].join(' '),
  });
}
