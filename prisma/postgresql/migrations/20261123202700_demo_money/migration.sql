-- What demo answers would have cost is in no sum of money: it leaves those that were made with it. How much it is, the roll-ups of
-- series say, which tell demo answers apart.
LOCK TABLE "usage_rollups" IN SHARE ROW EXCLUSIVE MODE;

UPDATE "usage_rollups" SET
    "cost_nano_usd" = "usage_rollups"."cost_nano_usd" - "made_up"."cost_nano_usd",
    "demo_nano_usd" = "usage_rollups"."demo_nano_usd" + "made_up"."cost_nano_usd",
    "unpriced_calls" = "usage_rollups"."unpriced_calls" - "made_up"."unpriced_calls",
    "saved_nano_usd" = "usage_rollups"."saved_nano_usd" - "made_up"."saved_nano_usd",
    "unpriced_cached" = "usage_rollups"."unpriced_cached" - "made_up"."unpriced_cached"
FROM (
    SELECT "sums"."scope", "sums"."width_minutes", "sums"."starts_at", "sums"."series_id",
        SUM("demo"."cost_nano_usd") AS "cost_nano_usd",
        SUM("demo"."unpriced_calls") AS "unpriced_calls",
        SUM("demo"."saved_nano_usd") AS "saved_nano_usd",
        SUM("demo"."unpriced_cached") AS "unpriced_cached"
    FROM "usage_rollups" AS "demo"
    CROSS JOIN "usage_series" AS "demo_series"
    CROSS JOIN "usage_rollups" AS "sums"
    CROSS JOIN "usage_series" AS "sums_series"
    WHERE "demo"."scope" = 'series' AND "demo_series"."id" = "demo"."series_id" AND "demo_series"."demo"
        AND "sums"."scope" IN ('all', 'model', 'client', 'tags')
        AND "sums"."width_minutes" = "demo"."width_minutes" AND "sums"."starts_at" = "demo"."starts_at"
        AND "sums_series"."id" = "sums"."series_id"
        AND CASE "sums"."scope"
            WHEN 'model' THEN "sums_series"."provider" = "demo_series"."provider" AND "sums_series"."model" = "demo_series"."model"
            WHEN 'client' THEN "sums_series"."client" = "demo_series"."client"
            WHEN 'tags' THEN "sums_series"."tags" = "demo_series"."tags"
            ELSE true
        END
    GROUP BY "sums"."scope", "sums"."width_minutes", "sums"."starts_at", "sums"."series_id"
) AS "made_up"
WHERE "usage_rollups"."scope" = "made_up"."scope" AND "usage_rollups"."width_minutes" = "made_up"."width_minutes"
    AND "usage_rollups"."starts_at" = "made_up"."starts_at" AND "usage_rollups"."series_id" = "made_up"."series_id";

UPDATE "usage_rollups" SET
    "demo_nano_usd" = "demo_nano_usd" + "cost_nano_usd",
    "cost_nano_usd" = 0,
    "unpriced_calls" = 0,
    "saved_nano_usd" = 0,
    "unpriced_cached" = 0
WHERE "scope" = 'series' AND "series_id" IN (SELECT "id" FROM "usage_series" WHERE "demo");
