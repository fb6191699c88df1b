-- as: SYSADMIN
-- Timestamps are UTC. What the health DAG saw and did, run by run: KIND is 'state' (one row for each thing watched),
-- 'action' (written before it is done), 'outcome' (how the action of the same SUBJECT and STATE ended), 'alert' or
-- 'proposal' (an action that waits for a person). Rows are only ever added.
CREATE TABLE IF NOT EXISTS RAW.CATCHMENT.CDC_HEALTH (
    RUN_ID VARCHAR NOT NULL,
    AT TIMESTAMP_NTZ NOT NULL,
    KIND VARCHAR NOT NULL,
    SUBJECT VARCHAR NOT NULL,
    STATE VARCHAR NOT NULL,
    SINCE TIMESTAMP_NTZ,
    SENTENCE VARCHAR NOT NULL,
    DETAIL VARIANT
);

-- What people have silenced on purpose, until when and why.
CREATE TABLE IF NOT EXISTS RAW.CATCHMENT.CDC_PAUSES (
    CONNECTOR VARCHAR NOT NULL,
    OWNER VARCHAR NOT NULL,
    REASON VARCHAR NOT NULL,
    STARTS_AT TIMESTAMP_NTZ NOT NULL,
    ENDS_AT TIMESTAMP_NTZ NOT NULL
);
