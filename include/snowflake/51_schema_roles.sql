-- as: SECURITYADMIN
-- for each: schema
-- Grants on ALL are for what exists, on FUTURE for what dbt and this command make later.
CREATE ROLE IF NOT EXISTS {database}_{schema}_R;
GRANT USAGE ON DATABASE {database} TO ROLE {database}_{schema}_R;
GRANT USAGE ON SCHEMA {database}.{schema} TO ROLE {database}_{schema}_R;
GRANT SELECT ON ALL TABLES IN SCHEMA {database}.{schema} TO ROLE {database}_{schema}_R;
GRANT SELECT ON FUTURE TABLES IN SCHEMA {database}.{schema} TO ROLE {database}_{schema}_R;
GRANT SELECT ON ALL VIEWS IN SCHEMA {database}.{schema} TO ROLE {database}_{schema}_R;
GRANT SELECT ON FUTURE VIEWS IN SCHEMA {database}.{schema} TO ROLE {database}_{schema}_R;
GRANT ROLE {database}_{schema}_R TO ROLE {database}_R;
CREATE ROLE IF NOT EXISTS {database}_{schema}_RW;
GRANT ROLE {database}_{schema}_R TO ROLE {database}_{schema}_RW;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA {database}.{schema} TO ROLE {database}_{schema}_RW;
GRANT INSERT, UPDATE, DELETE, TRUNCATE ON FUTURE TABLES IN SCHEMA {database}.{schema} TO ROLE {database}_{schema}_RW;
GRANT ROLE {database}_{schema}_RW TO ROLE {database}_RW;
