-- as: SYSADMIN
-- Up to where each dbt relation has merged each partition of Kafka (exclusive). A replay of older offsets lowers it, for
-- every relation, in the transaction of its rows; the next run merges them again. MODEL is the relation's whole name in
-- lower case, as analytics.staging.stg_application__customers.
CREATE TABLE IF NOT EXISTS RAW.CATCHMENT.WATERMARKS (
    MODEL VARCHAR NOT NULL,
    TOPIC VARCHAR NOT NULL,
    KAFKA_PARTITION NUMBER(38, 0) NOT NULL,
    NEXT_OFFSET NUMBER(38, 0) NOT NULL,
    UPDATED_AT TIMESTAMP_NTZ NOT NULL
);
-- Where the last batch began (inclusive): what a run tests is what it merged.
ALTER TABLE RAW.CATCHMENT.WATERMARKS ADD COLUMN IF NOT EXISTS MERGED_FROM NUMBER(38, 0);
-- MODEL used to be the model's name alone: those rows are production's. If dbt has run since, its own row counts.
UPDATE RAW.CATCHMENT.WATERMARKS
SET MODEL = 'analytics.staging.' || MODEL
WHERE MODEL NOT LIKE '%.%'
    AND 'analytics.staging.' || MODEL NOT IN (SELECT MODEL FROM RAW.CATCHMENT.WATERMARKS WHERE MODEL LIKE '%.%');
-- The truncations of replicated tables: one in one partition reaches keys in all, also those that come later.
CREATE TABLE IF NOT EXISTS RAW.CATCHMENT.TRUNCATES (
    SHARD VARCHAR NOT NULL,
    TABLE_NAME VARCHAR NOT NULL,
    CHANGE_ORDER VARCHAR NOT NULL,
    EPOCH NUMBER(38, 0) NOT NULL,
    COMMIT_LSN NUMBER(38, 0) NOT NULL,
    CHANGE_LSN NUMBER(38, 0) NOT NULL,
    TRANSACTION_ID NUMBER(38, 0),
    KAFKA_PARTITION NUMBER(38, 0),
    KAFKA_OFFSET NUMBER(38, 0),
    CHANGED_AT TIMESTAMP_NTZ
);
