-- as: SYSADMIN
-- Timestamps are UTC. What the health DAG saw and did: KIND is 'state' (a row when it changed), 'action', 'outcome' (how
-- the action of the same SUBJECT and STATE ended), 'alert' or 'proposal' (an action that waits for a person). The check
-- deletes rows of more than 400 days.
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

-- What `python -m catchment cdc-health` keeps from run to run; the DAG keeps it in Airflow's own store.
CREATE TABLE IF NOT EXISTS RAW.CATCHMENT.CDC_MEMORY (
    NAME VARCHAR NOT NULL,
    VALUE VARCHAR NOT NULL,
    UPDATED_AT TIMESTAMP_NTZ NOT NULL
);
