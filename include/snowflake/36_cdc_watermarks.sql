-- as: SYSADMIN
-- Up to where each dbt model has merged each partition of Kafka (exclusive). A replay of older offsets lowers it, for
-- every model, in the transaction of its rows; the next run merges them again.
CREATE TABLE IF NOT EXISTS RAW.CATCHMENT.WATERMARKS (
    MODEL VARCHAR NOT NULL,
    TOPIC VARCHAR NOT NULL,
    KAFKA_PARTITION NUMBER(38, 0) NOT NULL,
    NEXT_OFFSET NUMBER(38, 0) NOT NULL,
    UPDATED_AT TIMESTAMP_NTZ NOT NULL
);
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
