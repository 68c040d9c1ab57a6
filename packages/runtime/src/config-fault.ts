/** A mistake in a configuration file or environment variable: where it stands and what is expected there. */
export interface ConfigFault {
  /** A file's path, or `environment`. */
  source: string;
  /** Path inside the file (`providers[2].concurrency`) or the variable's name. */
  path: string;
  expected: string;
}

/** All faults of a start at once. */
export class ConfigError extends Error {
  readonly faults: readonly ConfigFault[];
  constructor(faults: readonly ConfigFault[]) {
    super(formatFaults(faults));
    this.name = 'ConfigError';
    this.faults = faults;
  }
}

function formatFaults(faults: readonly ConfigFault[]): string {
  const lines = faults.map((fault) => `  ${fault.source}: ${fault.path}: expected ${fault.expected}`);
  return [`${faults.length} configuration ${faults.length === 1 ? 'fault' : 'faults'}:`, ...lines].join('\n');
}

/** @throws ConfigError naming every fault, when there is one */
export function requireNoFaults(...faults: readonly (readonly ConfigFault[])[]): void {
  const all = faults.flat();
  if (all.length > 0) throw new ConfigError(all);
}
