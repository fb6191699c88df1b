-- as: SECURITYADMIN
-- for each: file_source
GRANT USAGE ON STAGE RAW.{source}.FILES TO ROLE LOADER;
