/** The conversations' part of the bench alone: `npx node bench/src/conversations-main.ts`, with `postgresql` for that one. */
import { formatConversations, measureConversations } from './conversations.ts';
import { createDatabasePlace, readKinds } from './database-place.ts';

for (const kind of readKinds(process.argv.slice(2), ['sqlite'])) {
  const place = await createDatabasePlace(kind);
  try {
    console.log(formatConversations(await measureConversations(place.url), kind));
  } finally {
    await place.end();
  }
}
