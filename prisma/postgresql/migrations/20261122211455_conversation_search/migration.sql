-- DropIndex
DROP INDEX "conversations_client_updated_at_idx";

-- AlterTable
ALTER TABLE "conversations" ADD COLUMN     "claimed_at" BIGINT,
ADD COLUMN     "claimed_by" TEXT,
ADD COLUMN     "summary" TEXT,
ADD COLUMN     "summary_until" INTEGER;

-- AlterTable
ALTER TABLE "messages" ADD COLUMN     "usage" JSONB;

-- CreateIndex
CREATE INDEX "conversations_client_updated_at_id_idx" ON "conversations"("client", "updated_at", "id");

-- CreateIndex
CREATE INDEX "conversations_updated_at_id_idx" ON "conversations"("updated_at", "id");

-- What is searched: one row per message that says anything, kept by a trigger.
CREATE TABLE "message_search" (
    "conversation_id" TEXT NOT NULL,
    "position" INTEGER NOT NULL,
    "text" TEXT NOT NULL,
    "words" tsvector GENERATED ALWAYS AS (to_tsvector('simple', "text")) STORED,

    CONSTRAINT "message_search_pkey" PRIMARY KEY ("conversation_id","position"),
    CONSTRAINT "message_search_message_fkey" FOREIGN KEY ("conversation_id","position") REFERENCES "messages"("conversation_id","position") ON DELETE CASCADE ON UPDATE CASCADE
);

CREATE INDEX "message_search_words_idx" ON "message_search" USING gin ("words");

-- Statements are told apart by the character that is written as an escape here.
CREATE OR REPLACE FUNCTION "message_search_add"() RETURNS trigger LANGUAGE plpgsql AS E'BEGIN
    INSERT INTO "message_search" ("conversation_id", "position", "text")
    SELECT NEW."conversation_id", NEW."position", left(string_agg(part->>''text'', chr(10)), 100000)
    FROM jsonb_array_elements(NEW."content") AS part WHERE part->>''type'' = ''text'' HAVING count(*) > 0\x3b
    RETURN NULL\x3b
END';

CREATE TRIGGER "message_search_add" AFTER INSERT ON "messages" FOR EACH ROW EXECUTE FUNCTION "message_search_add"();

INSERT INTO "message_search" ("conversation_id", "position", "text")
SELECT "conversation_id", "position", left(string_agg(part->>'text', chr(10)), 100000)
FROM "messages", jsonb_array_elements("content") AS part WHERE part->>'type' = 'text'
GROUP BY "conversation_id", "position";
