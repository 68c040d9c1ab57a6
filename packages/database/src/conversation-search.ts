import type { Conversation } from '@aimm/contracts';
import { join, type Sql, sqltag as sql } from '@prisma/client/runtime/client';
import type { Client } from './client.ts';
import type { ConversationRepository } from './database.ts';
import type { SearchDialect } from './search-dialects.ts';

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
  const rows = await dialect.find<Row>(client, words, scope, query.limit);
  const snippets = await readSnippets(
    client,
    dialect.snippets(
      words,
      rows.map(({ id }) => id),
    ),
  );
  return rows.map((row) => ({ ...toConversation(row), snippet: snippets.get(row.id) }));
}

async function readSnippets(client: Client, query: Sql): Promise<Map<string, string>> {
  const rows = await client.$queryRaw<{ id: string; snippet: string | null }[]>(query);
  return new Map(rows.flatMap(({ id, snippet }) => (snippet === null ? [] : [[id, snippet]])));
}

/** What a search is for: its words, without what no message is found by. */
function toWords(search: string): string[] {
  const words = search.toWellFormed().replaceAll('\0', ' ').split(/\s+/u);
  const spoken = words.filter((word) => /[\p{L}\p{N}]/u.test(word));
  return spoken.slice(0, mostWords).map((word) => [...word].slice(0, longestWord).join(''));
}

function toConversation({ created_at: createdAt, updated_at: updatedAt, ...row }: Row): Conversation {
  return { ...row, createdAt: Number(createdAt), updatedAt: Number(updatedAt) };
}
