import { ModelManagerError } from '@aimm/contracts';
import type { Database } from '@aimm/database';
import {
  findMasterKeys,
  isMasterKeyRotating,
  masterKeyFile,
  prepareNextMasterKey,
  replaceMasterKey,
  type RuntimeEnvironment,
} from '@aimm/runtime';
import { acquireKeysLock } from '../keys-lock.ts';
import { print, printJson } from '../output.ts';
import { readSecret } from '../read-secret.ts';
import { withDatabase } from '../with-database.ts';

export const rotateHelp = `
With the key file a new one is made and takes its place; nothing is asked, and workers of this machine need no restart.
With AIMM_MASTER_KEY the new one is AIMM_NEW_MASTER_KEY, else it is read from stdin, or asked for without showing it;
then give AIMM_MASTER_KEY the new value wherever workers start. Cut off at any point, run it again.

Examples:
  $ aimm keys rotate
  $ openssl rand -hex 24 > new-master-key && aimm keys rotate < new-master-key
`;

/** Puts all stored keys under a new master key. Neither it nor any key is printed. */
export async function rotateMasterKey({ json = false }: { json?: boolean }): Promise<void> {
  await withDatabase(({ apiKeys }, { env }) =>
    env.AIMM_MASTER_KEY === undefined
      ? rotateFile(apiKeys, env, json)
      : rotateEnvironment(apiKeys, env, env.AIMM_MASTER_KEY, json),
  );
}

/**
 * At any moment the disk has what opens every key: the new master key lies beside the old one before the first key is
 * encrypted under it, and takes its place once all are.
 */
async function rotateFile(apiKeys: Database['apiKeys'], env: RuntimeEnvironment, json: boolean): Promise<void> {
  if (env.AIMM_NEW_MASTER_KEY !== undefined) {
    throw new ModelManagerError('invalid_request', 'AIMM_NEW_MASTER_KEY is set, but AIMM_MASTER_KEY is not.', {
      hint: `The master key is that of ${masterKeyFile(env)}, and \`aimm keys rotate\` makes its successor by itself: unset it. To leave the file, set AIMM_MASTER_KEY to what it holds.`,
    });
  }
  const lock = acquireKeysLock(env.dataDir);
  if (lock === undefined) {
    throw new ModelManagerError('unavailable', 'Another `aimm keys rotate` or `aimm keys add` is at work.', {
      hint: 'Nothing was changed by this one. Run it again when the other has ended, if it is still needed.',
    });
  }
  try {
    const masterKeys = findMasterKeys(env);
    if (masterKeys.length === 0 && (await apiKeys.list()).length === 0) {
      if (json) return printJson({ keys: 0, rotated: false });
      return print('No key is stored and there is no master key yet: there is nothing to rotate.');
    }
    const isGoingOn = isMasterKeyRotating(env);
    const { keys } = await apiKeys.rotate(masterKeys, () => prepareNextMasterKey(env));
    replaceMasterKey(env);
    if (json) return printJson({ keys, rotated: true });
    print(
      `${toCount(keys)} under a new master key, in ${masterKeyFile(env)}; the old one opens none any more.${isGoingOn ? ' An earlier rotation that was cut off was brought to its end by this.' : ''}`,
    );
    print(
      'Workers that read this file use the new one by themselves. A copy of it on another machine must be replaced.',
    );
  } finally {
    lock.release();
  }
}

/** One transaction: whoever has either of the two opens every key, or none. */
async function rotateEnvironment(
  apiKeys: Database['apiKeys'],
  env: RuntimeEnvironment,
  current: string,
  json: boolean,
): Promise<void> {
  const next = env.AIMM_NEW_MASTER_KEY ?? (await askForMasterKey());
  if (next === current) {
    throw new ModelManagerError('invalid_request', 'The new master key is the one that is in force.');
  }
  const { keys, rotated } = await apiKeys.rotate([current, next], () => next);
  if (json) return printJson({ keys, rotated: true });
  const before = rotated === 0 && keys > 0 ? ' They had been before.' : '';
  print(`${toCount(keys)} under the new master key; the old one opens none any more.${before}`);
  print(
    'Now set AIMM_MASTER_KEY to it and restart the workers: until then they go on with the keys that they have read.',
  );
}

async function askForMasterKey(): Promise<string> {
  const { stdin: input, stderr: output } = process;
  const key = await readSecret('New master key (not shown): ', { input, output });
  if (key.length < 16) {
    throw new ModelManagerError('invalid_request', 'That is not a master key: it is shorter than 16 characters.', {
      hint: 'Give one by AIMM_NEW_MASTER_KEY or on stdin; `openssl rand -hex 24` makes a good one.',
    });
  }
  if (input.isTTY && (await readSecret('The same once more: ', { input, output })) !== key) {
    throw new ModelManagerError('invalid_request', 'The two do not match: nothing was changed.');
  }
  return key;
}

function toCount(keys: number): string {
  return keys === 0
    ? 'No key is stored; the next one will be'
    : keys === 1
      ? '1 stored key is'
      : `${keys} stored keys are`;
}
