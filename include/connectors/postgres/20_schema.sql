-- What Debezium writes to: a heartbeat, so that a quiet database's slot still moves on, and a table of signals.
CREATE SCHEMA IF NOT EXISTS cdc;

CREATE TABLE IF NOT EXISTS cdc.heartbeat (id integer PRIMARY KEY, ts timestamptz NOT NULL, n bigint NOT NULL);
INSERT INTO cdc.heartbeat VALUES (1, clock_timestamp(), 0) ON CONFLICT (id) DO NOTHING;

CREATE TABLE IF NOT EXISTS cdc.signals (id varchar(64) PRIMARY KEY, type varchar(32) NOT NULL, data text);

-- All of it is the role's. Only what is not yet is changed: a change of owner waits for everybody who writes.
DO $$
DECLARE
    replicator text := current_setting('catchment.role');
    stray regclass;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'cdc' AND nspowner = replicator::regrole) THEN
        EXECUTE format('ALTER SCHEMA cdc OWNER TO %I', replicator);
    END IF;
    FOR stray IN
        SELECT oid FROM pg_class
        WHERE relnamespace = 'cdc'::regnamespace AND relkind = 'r' AND relowner <> replicator::regrole
    LOOP
        EXECUTE format('ALTER TABLE %s OWNER TO %I', stray, replicator);
    END LOOP;
END $$;

-- A blocking snapshot reads tables while streaming waits, and sends again what it has seen of open transactions: nothing
-- in its records says which of the two is newer (docs/adr/0013). So nobody can ask for one; incremental ones are counted.
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_constraint WHERE conname = 'snapshots_must_be_incremental_not_blocking') THEN
        ALTER TABLE cdc.signals ADD CONSTRAINT snapshots_must_be_incremental_not_blocking
            CHECK (type <> 'execute-snapshot' OR data !~* '"type"\s*:\s*"[^"]*blocking') NOT VALID;
    END IF;
END $$;
