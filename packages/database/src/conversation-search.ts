import type { Conversation } from '@aimm/contracts';
import { join, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { ConversationRepository } from './database.ts';
import type { SearchDialect, SearchedWord } from './search-dialects.ts';
import { toStorableText } from './storable.ts';

type Query = Parameters<ConversationRepository['list']>[0];
type Found = Awaited<ReturnType<ConversationRepository['list']>>[number];

interface Row {
  id: string;
  client: string;
  title: string;
  version: number;
  created_at: bigint | number;
  updated_at: bigint | number;
}

/** Who types a whole page into a search box gets what its first words find. */
const mostWords = 16;
const longestWord = 64;

/** Conversations, the one that was written to last first; of a search those with a message that has every word of it. */
export async function listConversations(client: Client, dialect: SearchDialect, query: Query): Promise<Found[]> {
  const words = query.search === undefined ? undefined : toWords(query.search);
  if (words?.length === 0) return [];
  const conditions = [sql`true`];
  if (query.client !== undefined) conditions.push(sql`client = ${query.client}`);
  if (query.begins !== undefined) {
    const begins = toStorableText(query.begins);
    conditions.push(sql`substr(id, 1, CAST(${begins.length} AS INTEGER)) = ${begins}`);
  }
  if (query.after !== undefined) {
    conditions.push(sql`(updated_at, id) < (${BigInt(query.after.updatedAt)}, ${query.after.id})`);
  }
  const scope = join(conditions, ' AND ');
  if (words === undefined) {
    const rows = await client.$queryRaw<Row[]>(sql`
      SELECT id, client, title, version, created_at, updated_at FROM conversations
      WHERE ${scope} ORDER BY updated_at DESC, id DESC LIMIT ${query.limit}`);
    return rows.map(toConversation);
  }
  const { rows, snippets: known } = await dialect.find<Row>(client, words, scope, query.limit);
  // Of words that are begun SQLite takes too long to look for more.
  const canAsk = known === undefined || !words.some(({ isBeginning }) => isBeginning);
  const untold = canAsk ? rows.map(({ id }) => id).filter((id) => known?.has(id) !== true) : [];
  const asked = untold.length === 0 ? [] : await readSnippets(client, dialect.snippets(words, untold));
  const snippets = new Map([...(known ?? []), ...asked]);
  return rows.map((row) => ({ ...toConversation(row), snippet: snippets.get(row.id) }));
}

async function readSnippets(client: Client, query: Sql): Promise<Map<string, string>> {
  const rows = await client.$queryRaw<{ id: string; snippet: string | null }[]>(query);
  return new Map(rows.flatMap(({ id, snippet }) => (snippet === null ? [] : [[id, snippet]])));
}

/** What a search is for: its words, without what no message is found by. `fox*` is the beginning of a word. */
function toWords(search: string): SearchedWord[] {
  const words = search.toWellFormed().replaceAll('\0', ' ').split(/\s+/u);
  const spoken = words.filter((word) => /[\p{L}\p{N}]/u.test(word));
  return spoken.slice(0, mostWords).map((word) => {
    const [, text = '', star] = /^(.*?)(\**)$/su.exec(word) ?? [];
    const letters = Array.from(text);
    // What is cut off is not looked for, whatever it is.
    return { text: letters.slice(0, longestWord).join(''), isBeginning: star !== '' || letters.length > longestWord };
  });
}

function toConversation({ id, client, title, version, created_at, updated_at }: Row): Conversation {
  return { id, client, title, version, createdAt: Number(created_at), updatedAt: Number(updated_at) };
}
