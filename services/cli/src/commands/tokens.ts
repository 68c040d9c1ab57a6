import { type AccessScope, type ClientBudget, ModelManagerError } from '@aimm/contracts';
import type { AccessToken } from '@aimm/database';
import { type Command, Option } from 'commander';
import { formatCost, formatCount } from '@aimm/runtime/format';
import { formatTable, print, printJson } from '../output.ts';
import { parseCount, parseTimeZone } from '../parse-options.ts';
import { parseBudget, parseClientName, parseExpiry, parseScopes } from '../parse-token-options.ts';
import { type DatabasePlace, withDatabase } from '../with-database.ts';

interface CreateOptions {
  name: string;
  scopes: AccessScope[];
  budget?: Omit<ClientBudget, 'timeZone'>[];
  timeZone: string;
  rpm?: number;
  tpm?: number;
  concurrency?: number;
  expires?: number;
  json?: boolean;
}

export function addTokensCommand(program: Command): void {
  const tokens = program
    .command('tokens')
    .description('Access tokens for MCP over HTTP and the dashboard: who may do what, within which limits');
  tokens
    .command('create')
    .description('Make a token. It is printed once, on stdout; only its hash is kept')
    .requiredOption('-n, --name <name>', 'what to call the client that uses it', parseClientName)
    .addOption(
      new Option('-s, --scopes <scopes>', 'generate: ask; read: see its own jobs and usage; admin: everything')
        .argParser(parseScopes)
        .default(['generate', 'read'], 'generate,read'),
    )
    .option(
      '-b, --budget <amount>',
      "US dollars by day or month, like 5/day or '$20/month'; may be repeated",
      parseBudget,
    )
    .addOption(
      new Option('--time-zone <zone>', 'where the days of its budgets begin').argParser(parseTimeZone).default('UTC'),
    )
    .option('--rpm <count>', 'requests a minute', parseCount(1))
    .option('--tpm <count>', 'tokens a minute, input and output', parseCount(1))
    .option('--concurrency <count>', 'calls at once', parseCount(1))
    .option('-e, --expires <when>', '12h, 90d, 2w, 1y, a day like 2027-01-31, or never (default)', (value) =>
      parseExpiry(value),
    )
    .option('--json', 'print JSON, with the token in it')
    .addHelpText(
      'after',
      `
Examples:
  $ aimm tokens create --name ci --scopes generate,read --budget 5/day --budget '$100/month' --rpm 60
  $ aimm tokens create --name laptop --expires 90d | pbcopy
  $ aimm tokens create --name ops --scopes admin --json
`,
    )
    .action(createToken);
  tokens
    .command('list')
    .description('List the tokens; only their last characters are shown')
    .option('-a, --all', 'with those that were revoked')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ aimm tokens list\n  $ aimm tokens list --all --json\n')
    .action(listTokens);
  tokens
    .command('revoke')
    .description('Revoke a token: within seconds it is refused. What it has asked goes on')
    .argument('<token>', 'its name or id, as `aimm tokens list` shows it')
    .option('--json', 'print JSON')
    .addHelpText('after', '\nExamples:\n  $ aimm tokens revoke ci\n  $ aimm tokens revoke laptop --json\n')
    .action(revokeToken);
}

async function createToken(options: CreateOptions): Promise<void> {
  const { name, scopes, budget = [], timeZone, rpm, tpm, concurrency, expires, json } = options;
  const { token, ...made } = await withDatabase(async (database, place) => {
    const created = await database.accessTokens.create({
      name,
      scopes,
      limits: {
        ...(rpm !== undefined && { requestsPerMinute: rpm }),
        ...(tpm !== undefined && { tokensPerMinute: tpm }),
        ...(concurrency !== undefined && { concurrency }),
      },
      budgets: budget.map((each) => ({ ...each, timeZone })),
      expiresAt: expires,
    });
    await announce(place);
    return created;
  });
  if (json === true) return printJson({ ...made, token });
  // On stdout the token alone, so that it can be piped to where it is to be.
  print(token);
  const about = [made.scopes.join(', '), ...describeLimits(made), ...describeBudgets(made)];
  process.stderr.write(
    `Made the access token "${name}" (${about.join('; ')}). It is not shown again: keep it where only its client reads it.\n`,
  );
}

async function listTokens({ all, json }: { all?: boolean; json?: boolean }): Promise<void> {
  const found = await withDatabase(({ accessTokens }) => accessTokens.list());
  const tokens = found.filter(({ revokedAt }) => all === true || revokedAt === undefined);
  if (json === true) return printJson(tokens);
  if (tokens.length === 0) return print('There is no access token. Make one: `aimm tokens create --name <name>`.');
  const heading = ['Name', 'Token', 'Scopes', 'Limits', 'Budgets', 'Made', 'Last used', 'State', 'Id'];
  print(formatTable(heading, tokens.map(toRow)));
}

async function revokeToken(nameOrId: string, { json }: { json?: boolean }): Promise<void> {
  const { revoked, told } = await withDatabase(async (database, place) => {
    const found = await database.accessTokens.revoke(nameOrId);
    return { revoked: found, told: found !== undefined && (await announce(place)) };
  });
  if (revoked === undefined) {
    throw new ModelManagerError('invalid_request', 'There is no such live token.', {
      // What was given may be the token itself.
      hint: '`aimm tokens list` shows names and ids.',
    });
  }
  if (json === true) return printJson(revoked);
  const when = told ? 'It is refused from now on' : 'It is refused within 5 seconds';
  print(`Revoked the access token "${revoked.name}" (${revoked.fingerprint}). ${when}; what it has asked goes on.`);
}

/** Tells running fronts and dashboards at once. Without Redis they find out by themselves, seconds later. */
async function announce({ redisUrl, logger }: DatabasePlace): Promise<boolean> {
  if (redisUrl === undefined) return false;
  const { announceTokenChange, connectFront } = await import('@aimm/queue');
  const redis = connectFront(redisUrl, logger);
  try {
    await announceTokenChange(redis);
    return true;
  } catch (error) {
    logger.debug({ err: error }, 'The change could not be announced');
    return false;
  } finally {
    redis.disconnect();
  }
}

function toRow(token: AccessToken): string[] {
  const { name, fingerprint, scopes, createdAt, lastUsedAt, id } = token;
  return [
    name,
    fingerprint,
    scopes.join(','),
    describeLimits(token).join(', ') || '–',
    describeBudgets(token).join(', ') || '–',
    toTime(createdAt),
    lastUsedAt === undefined ? 'never' : toTime(lastUsedAt),
    toState(token),
    id,
  ];
}

function describeLimits({ limits }: Pick<AccessToken, 'limits'>): string[] {
  const { requestsPerMinute, tokensPerMinute, concurrency } = limits;
  return [
    ...(requestsPerMinute === undefined ? [] : [`${formatCount(requestsPerMinute)} rpm`]),
    ...(tokensPerMinute === undefined ? [] : [`${formatCount(tokensPerMinute)} tpm`]),
    ...(concurrency === undefined ? [] : [`${formatCount(concurrency)} at once`]),
  ];
}

function describeBudgets({ budgets }: Pick<AccessToken, 'budgets'>): string[] {
  return budgets.map(({ period, limitNanoUsd, timeZone }) => {
    const zone = timeZone === 'UTC' ? '' : ` (${timeZone})`;
    return `${formatCost(limitNanoUsd)}/${period}${zone}`;
  });
}

function toState({ expiresAt, revokedAt }: AccessToken): string {
  if (revokedAt !== undefined) return `revoked ${toTime(revokedAt)}`;
  if (expiresAt === undefined) return 'live';
  return expiresAt <= Date.now() ? `expired ${toTime(expiresAt)}` : `live until ${toTime(expiresAt)}`;
}

function toTime(epochMs: number): string {
  return new Date(epochMs).toISOString().slice(0, 16).replace('T', ' ');
}
