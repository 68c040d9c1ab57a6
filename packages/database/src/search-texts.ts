import { raw, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';

/** A row of SQLite's search is its conversation's number times this, plus the message's position. A parameter is not whole: FTS5 would read every row. */
export const positions = raw('1048576');

/** Conversations that are read at once, and the newest messages of each that are read first. */
const together = 25;
const newest = 8;
/** Of a conversation without a match among its newest messages so many more are read. */
const further = 120;
/** All that is read of texts: about what 20 ms are enough for. */
const mostChars = 1_500_000;

interface Message {
  id: string;
  place: bigint | number;
  first: bigint | number;
  text: string;
}

/**
 * Looks through the texts of conversations, one conversation after the other and the newest message first, until `limit` of them
 * have a match. `found`: what `find` gave, by id, in the order of `ids`. `isComplete`: no other of them has a match, or `limit` have;
 * where that cannot be it ends, unless it `goesOn`.
 */
export async function searchTexts(
  client: Client,
  ids: readonly string[],
  find: (text: string) => string | undefined,
  { limit, goesOn = false }: { limit: number; goesOn?: boolean },
): Promise<{ found: Map<string, string>; isComplete: boolean }> {
  const found = new Map<string, string>();
  let left = mostChars;
  let isComplete = true;
  for (let from = 0; from < ids.length; from += together) {
    const chunk = ids.slice(from, from + together);
    const messages = Map.groupBy(await readNewest(client, chunk), ({ id }) => id);
    for (const id of chunk) {
      const read = (messages.get(id) ?? []).toReversed();
      left -= countChars(read);
      let match = findFirst(read, find);
      const oldest = read.at(-1);
      if (match === undefined && oldest !== undefined && oldest.place > oldest.first) {
        if (left < 0) return { found, isComplete: false };
        const more = await readBefore(client, oldest);
        left -= countChars(more);
        match = findFirst(more, find);
        if (match === undefined && more.length === further) isComplete = false;
        if (!isComplete && !goesOn) return { found, isComplete };
      }
      if (match !== undefined) found.set(id, match);
      if (found.size === limit) return { found, isComplete: true };
    }
    if (left < 0) return { found, isComplete: isComplete && from + together >= ids.length };
  }
  return { found, isComplete };
}

const countChars = (messages: readonly { text: string }[]) => messages.reduce((sum, { text }) => sum + text.length, 0);

function findFirst(
  messages: readonly { text: string }[],
  find: (text: string) => string | undefined,
): string | undefined {
  for (const { text } of messages) {
    const match = find(text);
    if (match !== undefined) return match;
  }
  return undefined;
}

/** Oldest first within a conversation. */
function readNewest(client: Client, ids: readonly string[]): Promise<Message[]> {
  return client.$queryRaw<Message[]>(sql`
    SELECT asked.id, found.rowid AS place, asked.number * ${positions} AS first, found.text FROM
      (SELECT conversation_id AS id, number,
         (SELECT max(position) FROM messages WHERE messages.conversation_id = conversation_numbers.conversation_id) AS last
       FROM conversation_numbers WHERE conversation_id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))) AS asked
    CROSS JOIN message_search AS found ON found.rowid BETWEEN asked.number * ${positions} + max(0, asked.last - CAST(${newest - 1} AS INTEGER))
      AND asked.number * ${positions} + asked.last`);
}

/** Newest first. */
function readBefore(client: Client, { place, first }: Message): Promise<{ text: string }[]> {
  return client.$queryRaw<{ text: string }[]>(sql`
    SELECT text FROM message_search WHERE rowid >= CAST(${BigInt(first)} AS INTEGER) AND rowid < CAST(${BigInt(place)} AS INTEGER)
    ORDER BY rowid DESC LIMIT ${further}`);
}
