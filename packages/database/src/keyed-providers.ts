import { askPlainly } from './ask-plainly.ts';

/**
 * The providers that have a key in the database, asked without Prisma and without a migration: for a process that only
 * wants to know that. None where there is no database yet, or one of an earlier version.
 * @throws ModelManagerError `unavailable`
 */
export function findKeyedProviders(url: string): Promise<string[]> {
  return askPlainly(url, 'api_keys', 'SELECT DISTINCT provider FROM api_keys ORDER BY provider');
}
