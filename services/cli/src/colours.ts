import pc from 'picocolors';
import { takesColour } from './env.ts';

/** For what goes to stdout. */
export const colours = pc.createColors(takesColour(process.stdout));

/** For what goes to stderr, which may be a terminal where stdout is none. */
export const stderrColours = pc.createColors(takesColour(process.stderr));
