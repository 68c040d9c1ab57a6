import type { Catalog } from '@aimm/catalog';
import { toModelManagerError } from '@aimm/contracts';
import type { HealthReport, Manager } from '@aimm/manager';
import type { RawEnvironment } from '@aimm/runtime';
import { findConfigured, mergeProviderEnvironments } from '../stack/provider-environment.ts';
import { byDeadline, failed, type Finding, ok, warning } from './finding.ts';

const admin = { client: 'local', admin: true };

/** Has the workers ask each provider; one that is slow does not hold up the others. */
export async function checkProviders(
  manager: Pick<Manager, 'health'>,
  providers: Catalog['providers'],
  deadlineAt: number,
): Promise<Finding[]> {
  return Promise.all(
    providers.map(async ({ id, keyRequired }) => {
      const late = failed(
        toCheck(id),
        'No answer in time.',
        'Check that its address is right and that the worker can reach it; the network or the vendor may be slow.',
      );
      const asked = manager.health(admin, { provider: id, database: false }).then(
        ({ providers: [health] }) => (health === undefined ? late : toFinding(health, keyRequired)),
        (error: unknown) => {
          const { message, hint } = toModelManagerError(error);
          return failed(toCheck(id), message, hint);
        },
      );
      return byDeadline(deadlineAt, asked, late);
    }),
  );
}

/** `keyRequired`: without a key it is not meant to be used; a server without keys may just not run. */
export function toFinding(health: HealthReport['providers'][number], keyRequired: boolean): Finding {
  const {
    provider,
    configured,
    demo,
    reachable,
    problem,
    hint,
    modelCount,
    defaultModel,
    latencyMs,
    keys = [],
  } = health;
  const check = toCheck(provider);
  if (demo)
    return warning(
      check,
      'Demo answers.',
      keyRequired ? 'Set its key to ask the real one.' : 'Start it: the next client finds it, and asks the real one.',
    );
  if (!configured) return warning(check, problem ?? 'Not configured.', hint);
  if (!keyRequired && reachable === false) return warning(check, problem ?? 'It cannot be reached.', hint);
  if (problem !== undefined) return failed(check, problem, hint);
  const took = latencyMs === undefined ? '' : ` in ${Math.round(latencyMs)} ms`;
  const says = `Answers${took}${keys.length > 0 ? ', key valid' : ''}; ${modelCount ?? 'some'} models.`;
  if (defaultModel?.available === false)
    return warning(
      check,
      `${says} Its default model ${defaultModel.id} is not among them.`,
      'Name another in config/providers.json.',
    );
  return ok(check, says);
}

/** Without a worker only the environment can be looked at. */
export async function checkProviderKeys(providers: Catalog['providers'], raw: RawEnvironment): Promise<Finding[]> {
  const configured = await findConfigured(providers, mergeProviderEnvironments(providers, [raw]));
  const found = providers.map(({ id, apiKeyVariables: [variable], keyRequired }) => {
    if (configured.includes(id))
      return ok(toCheck(id), keyRequired ? 'It has a key; it was not asked, as no worker runs.' : 'It answers.');
    return warning(
      toCheck(id),
      keyRequired ? 'It has no API key in this environment.' : 'It does not answer.',
      keyRequired
        ? `Set ${variable ?? 'its key'}, or store one with \`aimm keys add ${id}\`; without any provider the demo answers.`
        : 'Start it, or correct its address.',
    );
  });
  return found;
}

function toCheck(provider: string): string {
  return `Provider ${provider}`;
}
