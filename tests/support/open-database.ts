/** A process that opens the database at `<url>` and closes it; it fails when something would keep it from ending then. */
import { createDatabase } from '@aimm/database';

const database = await createDatabase({ url: process.argv[2] ?? '' });
await database.close();
if (process.getActiveResourcesInfo().includes('Timeout')) throw new Error('a timer still holds the process');
