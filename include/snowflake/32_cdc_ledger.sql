-- as: SYSADMIN
-- How far the loader is in each partition of Kafka, changed in the transaction of the rows. TOPIC_ID is Kafka's: a topic
-- that was deleted and made again has another one, and its offsets mean nothing here.
CREATE TABLE IF NOT EXISTS RAW.CATCHMENT.OFFSETS (
    TOPIC VARCHAR NOT NULL,
    KAFKA_PARTITION NUMBER(38, 0) NOT NULL,
    NEXT_OFFSET NUMBER(38, 0) NOT NULL,
    LOADER VARCHAR NOT NULL,
    UPDATED_AT TIMESTAMP_NTZ NOT NULL,
    TOPIC_ID VARCHAR
);
-- The other process that moved the partition last: two loaders that take turns are seen by it.
ALTER TABLE RAW.CATCHMENT.OFFSETS ADD COLUMN IF NOT EXISTS OTHER_LOADER VARCHAR;
ALTER TABLE RAW.CATCHMENT.OFFSETS ADD COLUMN IF NOT EXISTS OTHER_AT TIMESTAMP_NTZ;
-- Where a shard's log positions begin a new epoch: a new slot, a failover, a rebuilt shard. No row: epoch 0.
CREATE TABLE IF NOT EXISTS RAW.CATCHMENT.EPOCHS (
    SHARD VARCHAR NOT NULL,
    TOPIC VARCHAR NOT NULL,
    KAFKA_PARTITION NUMBER(38, 0) NOT NULL,
    EPOCH NUMBER(38, 0) NOT NULL,
    FROM_OFFSET NUMBER(38, 0) NOT NULL,
    REASON VARCHAR NOT NULL,
    STARTED_AT TIMESTAMP_NTZ NOT NULL
);
-- What each audit found, one row a partition and check; FROM_OFFSET and TO_OFFSET (inclusive) fit the form of cdc_replay.
CREATE TABLE IF NOT EXISTS RAW.CATCHMENT.CDC_AUDITS (
    AUDITED_AT TIMESTAMP_NTZ NOT NULL,
    TOPIC VARCHAR NOT NULL,
    KAFKA_PARTITION NUMBER(38, 0) NOT NULL,
    FINDING VARCHAR NOT NULL,
    FROM_OFFSET NUMBER(38, 0),
    TO_OFFSET NUMBER(38, 0),
    RECORDS NUMBER(38, 0),
    DETAIL VARCHAR
);
