-- as: SYSADMIN
-- for each: file_source
-- Over a bucket in which others write a source's files: they are loaded where they lie.
CREATE STAGE IF NOT EXISTS RAW.{source}.FILES
    URL = '{url}'
    STORAGE_INTEGRATION = {storage_integration} -- when: storage_integration
    COMMENT = 'Files of others, loaded where they lie';
