-- as: SECURITYADMIN
-- for each: cdc_source
-- The loader makes the table of a topic that is new, and puts its files on the stage.
GRANT CREATE TABLE ON SCHEMA RAW.{source} TO ROLE LOADER;
GRANT READ, WRITE ON STAGE RAW.CATCHMENT.KAFKA TO ROLE LOADER;
