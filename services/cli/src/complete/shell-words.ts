/** What a script is for, and whom it asks for values. */
export interface ScriptPlaces {
  /** The command's names. */
  names: readonly string[];
  /** Absolute paths of Node and of the command: neither has to be on PATH, and `npx` is too slow for a TAB. */
  node: string;
  bin: string;
}

/** One word for bash and zsh, whatever is in it. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

/** The same for fish. */
export function quoteForFish(text: string): string {
  return `'${text.replaceAll('\\', String.raw`\\`).replaceAll("'", String.raw`\'`)}'`;
}

/** Branches of a `case` in bash and zsh. */
export function toCases<T>(
  entries: readonly (readonly [string, T])[],
  toBody: (value: T) => string,
  indent: string,
): string {
  return entries.map(([pattern, value]) => `${indent}${quote(pattern)}) ${toBody(value)} ;;`).join('\n');
}
