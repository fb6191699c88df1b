-- as: SECURITYADMIN
-- cdc_reconcile compares a shard with the current state: it runs as the loader does, and reads staging.
GRANT ROLE ANALYTICS_STAGING_R TO ROLE LOADER;
