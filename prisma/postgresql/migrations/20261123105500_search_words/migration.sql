-- Words as the search on SQLite tells them apart: PostgreSQL's parser takes `openai/gpt-5` for a file and `me@host.de` for an address, by
-- whose parts nobody finds them, and é for another letter than e. What is no letter and no number is a space for it now.
-- Statements are told apart by the character that is written as an escape here.
CREATE OR REPLACE FUNCTION "message_search_words"("said" TEXT) RETURNS tsvector LANGUAGE plpgsql IMMUTABLE AS E'DECLARE
    "plain" TEXT := translate("said", ''!"#$%&''''()*+,-./:\x3b<=>?@[\\]^_`{|}~ ¡«»¿‐‑‒–—―‘’‚“”„•…‹›、。「」『』【】！（），：；？'', repeat('' '', 68))\x3b
BEGIN
    IF getdatabaseencoding() = ''UTF8'' THEN
        "plain" := normalize(regexp_replace(normalize("plain", NFD), ''[\\u0300-\\u036f]'', '''', ''g''), NFC)\x3b
    END IF\x3b
    RETURN to_tsvector(''simple'', "plain")\x3b
END';

ALTER TABLE "message_search" ALTER COLUMN "words" DROP EXPRESSION;

UPDATE "message_search" SET "words" = "message_search_words"("text");

CREATE OR REPLACE FUNCTION "message_search_add"() RETURNS trigger LANGUAGE plpgsql AS E'BEGIN
    INSERT INTO "message_search" ("conversation_id", "position", "text", "words")
    SELECT "found".*, "message_search_words"("found"."said") FROM (
        SELECT NEW."conversation_id", NEW."position", left(string_agg(part->>''text'', chr(10)), 100000) AS "said"
        FROM jsonb_array_elements(NEW."content") AS part WHERE part->>''type'' = ''text'' HAVING count(*) > 0) AS "found"\x3b
    RETURN NULL\x3b
END';
