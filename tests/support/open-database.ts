/** A process that opens the database at `<url>` and closes it; it fails when something would keep it from ending then. */
import { createDatabase } from '@aimm/database';

const database = await createDatabase({ url: process.argv[2] ?? '' });
await database.close();
const left = process.getActiveResourcesInfo().filter((resource) => /Timeout|TCP/.test(resource));
if (left.length > 0) throw new Error(`still held by ${left.join(', ')}`);
