import { writeSync } from 'node:fs';
import { findPatienceMs, findPlaces } from './env.ts';
import { findValues, valueKinds } from './find-values.ts';

const [given, begun = ''] = process.argv.slice(3);
const kind = valueKinds.find((name) => name === given);
const values = kind === undefined ? [] : findValues(kind, begun, findPlaces());
// Where the machine is too busy it gives nothing, rather than late what nobody waits for any more.
if (values.length > 0 && performance.now() < findPatienceMs()) writeSync(1, `${values.join('\n')}\n`);
