import { toModelManagerError } from '@aimm/contracts';
import { withoutPassword } from '../commands/status.ts';
import { failed, type Finding, ok, warning } from './finding.ts';

/** Whether it can be read, and what it lacks; changes nothing in it. */
export async function checkDatabase(url: string): Promise<Finding[]> {
  const check = 'Database';
  const name = withoutPassword(url);
  const { findPendingMigrations } = await import('@aimm/database');
  const startedAt = performance.now();
  try {
    const { pending, all } = await findPendingMigrations(url);
    const tookMs = Math.round(performance.now() - startedAt);
    if (pending.length === all && url.startsWith('file:')) return [ok(check, `${name} is made at the first start.`)];
    const answers = ok(check, `${name} answers in ${tookMs} ms.`);
    if (pending.length === all) return [answers, ok('Migrations', 'Its tables are made at the first start.')];
    if (pending.length === 0) return [answers, ok('Migrations', `All ${all} are applied.`)];
    return [
      answers,
      warning(
        'Migrations',
        `${pending.length} of ${all} are not applied: ${pending.join(', ')}.`,
        '`aimm migrate` applies them; so does the next process that opens the database.',
      ),
    ];
  } catch (error) {
    const { message, hint } = toModelManagerError(error);
    return [failed(check, `${name}: ${message}`, hint)];
  }
}
