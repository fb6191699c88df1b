-- as: SYSADMIN
-- The loader's files, one a table, each in the place of the one before. Read once, by the statement after the upload.
CREATE STAGE IF NOT EXISTS RAW.CATCHMENT.KAFKA COMMENT = 'Rows on their way from Kafka: nothing here is kept';
