/** What waits in a queue, for a person. `providerNames`: by id. */
export function describeQueue(queue: string, providerNames: ReadonlyMap<string, string>): string {
  if (queue === 'compare') return 'Comparisons, each waiting for its models';
  if (queue === 'persist-usage') return 'Ledger rows that the database would not take yet';
  if (queue === 'persist-turn') return 'Turns of conversations that the database would not take yet';
  if (queue === 'persist-batch') return 'Results of batches that the database would not take yet';
  const provider = providerNames.get(queue);
  if (provider !== undefined) return `Generations by ${provider}`;
  const asked = providerNames.get(queue.replace(/-checks$/, ''));
  return asked === undefined ? '' : `Questions about ${asked}: its models and its health`;
}
