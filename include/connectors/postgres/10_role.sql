-- The role that Debezium and the health DAG use. `catchment.verifier` is the SCRAM verifier of its password, which
-- never comes here itself; it is set once, when the role is made: rotation is by hand (docs/runbooks/cdc_rotate_password.md).
-- On RDS a role may replicate by membership in rds_replication, elsewhere by an attribute of its own.
DO $$
DECLARE
    replicator text := current_setting('catchment.role');
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = replicator) THEN
        EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L', replicator, current_setting('catchment.verifier'));
    END IF;
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'rds_replication') THEN
        EXECUTE format('GRANT rds_replication TO %I', replicator);
    ELSIF NOT (SELECT rolreplication FROM pg_roles WHERE rolname = replicator) THEN
        EXECUTE format('ALTER ROLE %I REPLICATION', replicator);
    END IF;
    IF NOT pg_has_role(current_user, replicator, 'MEMBER') THEN
        EXECUTE format('GRANT %I TO CURRENT_USER', replicator);
    END IF;
END $$;
