-- as: SYSADMIN
-- for each: topic
-- The first two columns are what Snowflake's Kafka sink writes with schematization off; the others are our loader's, and
-- NULL where the sink wrote the row. The loader runs this too, for tables that are declared while it runs.
CREATE TABLE IF NOT EXISTS RAW.{source}.{table} (
    RECORD_CONTENT VARIANT,
    RECORD_METADATA VARIANT,
    KAFKA_PARTITION NUMBER(38, 0),
    KAFKA_OFFSET NUMBER(38, 0),
    LOADED_AT TIMESTAMP_NTZ
);
