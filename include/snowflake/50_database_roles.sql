-- as: SECURITYADMIN
-- for each: database
-- Access roles hold privileges and no people: {database}_R reads every schema of it, {database}_RW writes too.
CREATE ROLE IF NOT EXISTS {database}_R;
CREATE ROLE IF NOT EXISTS {database}_RW;
GRANT USAGE ON DATABASE {database} TO ROLE {database}_R;
GRANT ROLE {database}_R TO ROLE {database}_RW;
