import { loadCatalog } from '@aimm/catalog';
import { ModelManagerError } from '@aimm/contracts';
import type { ApiKey } from '@aimm/database';
import { ensureMasterKeys, findMasterKeys, requireNoFaults, type RuntimeEnvironment } from '@aimm/runtime';
import { type Command, InvalidArgumentError } from 'commander';
import { stderrColours } from '../colours.ts';
import { createKeyCheck } from '../find-key-problem.ts';
import { formatTable, print, printJson, toOneLine } from '../output.ts';
import { readSecret } from '../read-secret.ts';
import { blotOut } from '../report-failure.ts';
import { openCommandEnvironment } from '../session.ts';
import { withDatabase } from '../with-database.ts';
import { rotateHelp, rotateMasterKey } from './rotate-master-key.ts';
import { waitForKeysLock } from '../keys-lock.ts';

export function addKeysCommand(program: Command): void {
  const keys = program
    .command('keys')
    .description(
      'Store provider keys, encrypted, in the database; workers pick them up within seconds and use them in turn',
    )
    // A key that somebody typed here by mistake must not come back on the screen.
    .configureOutput({ outputError: (text, write) => write(blotOut(text, process.argv.slice(2))) });
  keys
    .command('add')
    .copyInheritedSettings(keys)
    .description('Store a key; it is read from stdin, or asked for without showing it')
    .argument('<provider>', 'the id of the provider, as in config/providers.json')
    .option('-l, --label <label>', 'what to call it (default: key-1, key-2, …)', parseLabel)
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ aimm keys add openai\n  $ aimm keys add openai --label team < openai-key.txt\n  $ pass show anthropic | aimm keys add anthropic\n',
    )
    .action(addKey);
  keys
    .command('list')
    .copyInheritedSettings(keys)
    .description('List the stored keys; only their last characters are shown')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ aimm keys list\n  $ aimm keys list --json\n')
    .action(listKeys);
  keys
    .command('remove')
    .copyInheritedSettings(keys)
    .description('Remove a stored key; workers stop using it within seconds')
    .argument('<provider>', 'the id of the provider')
    .argument('<label>', 'its label or id, as `aimm keys list` shows it')
    .option('--json', 'print JSON')
    .addHelpText(
      'after',
      '\nExamples:\n  $ aimm keys remove openai team\n  $ aimm keys remove anthropic key-2 --json\n',
    )
    .action(removeKey);
  keys
    .command('rotate')
    .copyInheritedSettings(keys)
    .description('Encrypt the stored keys under a new master key; the old one no longer opens them')
    .option('--json', 'print JSON')
    .addHelpText('after', rotateHelp)
    .action(rotateMasterKey);
}

async function addKey(provider: string, { label, json }: { label?: string; json?: boolean }): Promise<void> {
  const { env, raw } = await openCommandEnvironment();
  const { catalog, faults } = loadCatalog({ configDir: env.configDir, env: raw });
  requireNoFaults(faults);
  if (catalog.findProvider(provider) === undefined) {
    // What was given may be the key.
    throw new ModelManagerError('invalid_request', 'There is no provider of that name.', {
      hint: `Say for which one the key is: ${catalog.providers.map(({ id }) => id).join(', ')}. The key itself comes from stdin.`,
    });
  }
  requireSharedMasterKey(env);
  const { stdin: input, stderr: output } = process;
  const key = requireKey(await readSecret(`Key of ${provider} (not shown): `, { input, output }));
  if (label?.includes(key) === true) throw new ModelManagerError('invalid_request', 'The label holds the key itself.');
  const { stored, problem } = await withDatabase(async ({ apiKeys }, { env: place, redisUrl, logger }) => {
    const check = redisUrl === undefined ? undefined : await createKeyCheck(redisUrl, provider, logger);
    try {
      const isFirst = (await apiKeys.list()).length === 0;
      const added = await underKeysLock(place, () => apiKeys.add({ provider, key, label }, ensureMasterKeys(place)));
      return { stored: added, problem: await check?.findProblem({ isFirst }) };
    } finally {
      check?.close();
    }
  });
  if (problem !== undefined) process.stderr.write(`${stderrColours.yellow(toOneLine(problem))}\n`);
  if (json === true) return printJson({ ...stored, ...(problem !== undefined && { problem }) });
  const outlook = problem === undefined ? 'Workers use it within seconds.' : 'It is not in use, see above.';
  print(`Stored the key "${stored.label}" (${stored.fingerprint}) of ${provider}. ${outlook}`);
}

/** The key file must not be replaced between its reading and the writing of what is encrypted under it. */
async function underKeysLock<T>(env: RuntimeEnvironment, work: () => Promise<T>): Promise<T> {
  const lock = env.AIMM_MASTER_KEY === undefined ? await waitForKeysLock(env.dataDir) : undefined;
  try {
    return await work();
  } finally {
    lock?.release();
  }
}

/**
 * Workers of another machine, or container, have another data directory: a key file made here would lock the key out.
 * @throws invalid_request
 */
function requireSharedMasterKey(env: RuntimeEnvironment): void {
  const isElsewhere = env.REDIS_URL !== undefined && env.DATABASE_URL?.startsWith('postgres') === true;
  if (!isElsewhere || findMasterKeys(env).length > 0) return;
  throw new ModelManagerError(
    'invalid_request',
    'There is no master key, and workers elsewhere could not open what one made here encrypts.',
    {
      hint: 'Nothing was stored. Set AIMM_MASTER_KEY (`openssl rand -hex 24`) to the same here and for every worker, and start those anew.',
    },
  );
}

async function listKeys({ json }: { json?: boolean }): Promise<void> {
  const stored = await withDatabase(({ apiKeys }) => apiKeys.list());
  const keys = stored.map(({ seal: _seal, ...key }) => key);
  if (json === true) return printJson(keys);
  if (keys.length === 0) return print('No key is stored. Add one: `aimm keys add <provider>`.');
  print(formatTable(['Provider', 'Label', 'Key', 'Added', 'Id', 'State'], keys.map(toRow)));
}

async function removeKey(provider: string, labelOrId: string, { json }: { json?: boolean }): Promise<void> {
  const removed = await withDatabase(({ apiKeys }) => apiKeys.remove(provider, labelOrId));
  if (removed === undefined) {
    throw new ModelManagerError('invalid_request', 'There is no such key.', {
      hint: '`aimm keys list` shows what is stored.',
    });
  }
  if (json === true) return printJson(removed);
  print(`Removed the key "${removed.label}" (${removed.fingerprint}) of ${provider}.`);
}

function toRow({
  provider,
  label,
  fingerprint,
  createdAt,
  id,
  lastFailedAt,
  lastFailedReason,
}: Omit<ApiKey, 'seal'>): string[] {
  const state = lastFailedAt === undefined ? '' : `refused ${toTime(lastFailedAt)} (${lastFailedReason ?? 'unknown'})`;
  return [provider, label, fingerprint, toTime(createdAt), id, state];
}

function toTime(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 16).replace('T', ' ');
}

/** Keys travel in a header: one word of visible characters. Shorter ones could not be kept out of logs. */
function requireKey(key: string): string {
  if (key === '') throw new ModelManagerError('invalid_request', 'There was no key on stdin.');
  if (!/^[\x21-\x7e]+$/.test(key)) {
    throw new ModelManagerError(
      'invalid_request',
      'That is not a key: it has spaces, line breaks or other characters.',
      {
        hint: 'Give the key alone, on one line.',
      },
    );
  }
  if (key.length < 8)
    throw new ModelManagerError('invalid_request', 'That is not a key: it is shorter than 8 characters.');
  return key;
}

function parseLabel(value: string): string {
  const label = value.trim();
  if (!/^[^\p{C}]{1,64}$/u.test(label)) throw new InvalidArgumentError('expected 1 to 64 visible characters');
  return label;
}
