-- as: SYSADMIN
-- for each: schema
CREATE SCHEMA IF NOT EXISTS {database}.{schema};
