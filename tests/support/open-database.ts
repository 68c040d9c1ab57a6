/** A process that opens the database at `<url>`, says so and closes it again. */
import { createDatabase } from '@aimm/database';

const database = await createDatabase({ url: process.argv[2] ?? '' });
process.send?.('open');
await database.close();
process.disconnect?.();
