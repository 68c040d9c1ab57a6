import { readFile } from 'node:fs/promises';
import { parsePublishedModels, type PublishedModels } from '@aimm/catalog';
import { ModelManagerError } from '@aimm/contracts';

/**
 * The list at `from`, an http(s) address or a file's path. `patienceMs`: until the whole of it is here.
 *
 * @throws network, timeout or server_error, with what to do
 */
export async function fetchPublishedModels(from: string, patienceMs = 30_000): Promise<PublishedModels> {
  const text = /^https?:/.test(from)
    ? await download(from, patienceMs)
    : await readFile(from, 'utf8').catch(unreadable(from));
  const published = parsePublishedModels(parseJson(text));
  if (published !== undefined) return published;
  throw new ModelManagerError(
    'server_error',
    `What ${from} gives is not a list of models as models.dev publishes it.`,
    {
      hint: 'Nothing was changed. Look at it in a browser; a proxy may answer in its place.',
    },
  );
}

async function download(url: string, patienceMs: number): Promise<string> {
  let response: Response;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(patienceMs), headers: { accept: 'application/json' } });
    if (response.ok) return await response.text();
  } catch (cause) {
    const isLate = cause instanceof Error && cause.name === 'TimeoutError';
    const what = isLate ? `did not answer within ${patienceMs / 1000} s` : 'cannot be reached from here';
    throw new ModelManagerError(isLate ? 'timeout' : 'network', `${url} ${what}.`, {
      cause,
      hint:
        'Nothing was changed. This needs the internet: behind a proxy set NODE_USE_ENV_PROXY=1, ' +
        'or fetch the list elsewhere and give the file with --from.',
    });
  }
  throw new ModelManagerError('server_error', `${url} answered with HTTP ${response.status}.`, {
    hint: 'Nothing was changed. Try again later, or give another address or a file with --from.',
  });
}

function unreadable(from: string) {
  return (cause: unknown): never => {
    throw new ModelManagerError('invalid_request', `${from} cannot be read.`, {
      cause,
      hint: 'Give an http(s) address or the path of a file.',
    });
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
