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
-- "conversation" is the conversation's id as one word, so that a search can be of one conversation.
CREATE VIRTUAL TABLE "message_search" USING fts5(
    "conversation_id" UNINDEXED, "position" UNINDEXED, "conversation", "text",
    tokenize = 'unicode61 remove_diacritics 2'
);

CREATE TRIGGER "message_search_add" AFTER INSERT ON "messages" BEGIN
    INSERT INTO "message_search" ("conversation_id", "position", "conversation", "text")
    SELECT new."conversation_id", new."position", replace(substr(new."conversation_id", 6), '-', ''),
        substr(group_concat(json_extract("value", '$.text'), char(10)), 1, 100000)
    FROM json_each(new."content") WHERE json_extract("value", '$.type') = 'text' HAVING count(*) > 0;
END;

CREATE TRIGGER "message_search_remove" AFTER DELETE ON "conversations" BEGIN
    DELETE FROM "message_search" WHERE rowid IN (
        SELECT rowid FROM "message_search"
        WHERE "message_search" MATCH 'conversation : "' || replace(substr(old."id", 6), '-', '') || '"'
            AND "conversation_id" = old."id"
    );
END;

INSERT INTO "message_search" ("conversation_id", "position", "conversation", "text")
SELECT "conversation_id", "position", replace(substr("conversation_id", 6), '-', ''),
    substr(group_concat(json_extract("value", '$.text'), char(10)), 1, 100000)
FROM "messages", json_each("content") WHERE json_extract("value", '$.type') = 'text'
GROUP BY "conversation_id", "position";
