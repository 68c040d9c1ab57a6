-- DropIndex
DROP INDEX "conversations_client_updated_at_idx";

-- AlterTable
ALTER TABLE "conversations" ADD COLUMN "claimed_at" BIGINT;
ALTER TABLE "conversations" ADD COLUMN "claimed_by" TEXT;
ALTER TABLE "conversations" ADD COLUMN "summary" TEXT;
ALTER TABLE "conversations" ADD COLUMN "summary_until" INTEGER;

-- AlterTable
ALTER TABLE "messages" ADD COLUMN "usage" JSONB;

-- CreateIndex
CREATE INDEX "conversations_client_updated_at_id_idx" ON "conversations"("client", "updated_at", "id");

-- CreateIndex
CREATE INDEX "conversations_updated_at_id_idx" ON "conversations"("updated_at", "id");

-- What is searched: one row per message that says anything, kept by triggers, with a text of its own
-- since the row ids of "messages" are no stable reference (VACUUM numbers them anew).
-- Its row id is the conversation's number times 2^20 plus the message's position: whose a match is takes no reading of it,
-- and a conversation's messages are a range. "conversation" is that number as a word, by which FTS5 is quicker to find them.
CREATE VIRTUAL TABLE "message_search" USING fts5("conversation", "text", tokenize = 'unicode61 remove_diacritics 2');

CREATE TABLE "conversation_numbers" (
    "number" INTEGER NOT NULL PRIMARY KEY,
    "conversation_id" TEXT NOT NULL UNIQUE
);

INSERT INTO "conversation_numbers" ("conversation_id") SELECT "id" FROM "conversations";

CREATE TRIGGER "conversation_numbers_add" AFTER INSERT ON "conversations" BEGIN
    INSERT INTO "conversation_numbers" ("conversation_id") VALUES (new."id");
END;

CREATE TRIGGER "message_search_add" AFTER INSERT ON "messages" WHEN new."position" < 1048576 BEGIN
    INSERT INTO "message_search" (rowid, "conversation", "text")
    SELECT "number" * 1048576 + new."position", "number", substr(group_concat(json_extract("value", '$.text'), char(10)), 1, 100000)
    FROM "conversation_numbers", json_each(new."content")
    WHERE "conversation_id" = new."conversation_id" AND json_extract("value", '$.type') = 'text'
    GROUP BY "number";
END;

CREATE TRIGGER "message_search_remove" AFTER DELETE ON "conversations" BEGIN
    DELETE FROM "message_search" WHERE rowid BETWEEN
        (SELECT "number" FROM "conversation_numbers" WHERE "conversation_id" = old."id") * 1048576 AND
        (SELECT "number" FROM "conversation_numbers" WHERE "conversation_id" = old."id") * 1048576 + 1048575;
    DELETE FROM "conversation_numbers" WHERE "conversation_id" = old."id";
END;

INSERT INTO "message_search" (rowid, "conversation", "text")
SELECT "number" * 1048576 + "position", "number", substr(group_concat(json_extract("value", '$.text'), char(10)), 1, 100000)
FROM "messages" JOIN "conversation_numbers" USING ("conversation_id"), json_each("content")
WHERE json_extract("value", '$.type') = 'text'
GROUP BY "number", "position";
