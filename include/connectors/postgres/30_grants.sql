-- The role reads every table of the replicated schema, those to come as well.
DO $$
DECLARE
    replicator text := current_setting('catchment.role');
    replicated text := current_setting('catchment.schema');
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', replicated, replicator);
    EXECUTE format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO %I', replicated, replicator);
    EXECUTE format('ALTER DEFAULT PRIVILEGES IN SCHEMA %I GRANT SELECT ON TABLES TO %I', replicated, replicator);
END $$;
