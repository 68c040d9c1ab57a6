import { appendFileSync } from 'node:fs';

/**
 * Holds what a fault test measured against the promise. It is printed as one line of JSON, and added to the file that
 * `FAULT_FIGURES` names, where it does.
 */
export function requireRecovery(fault: string, measuredMs: number, promisedMs: number): void {
  const line = `${JSON.stringify({ fault, measuredMs: Math.round(measuredMs), promisedMs })}\n`;
  process.stderr.write(`figure: ${line}`);
  const { FAULT_FIGURES: file } = process.env;
  if (file !== undefined) appendFileSync(file, line);
  if (measuredMs >= promisedMs)
    throw new Error(`${fault}: took ${Math.round(measuredMs)} ms, promised are ${promisedMs}`);
}
