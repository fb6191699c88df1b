-- as: SYSADMIN
CREATE STAGE IF NOT EXISTS RAW.CATCHMENT.LANDING
    URL = '{stage_url}'
    STORAGE_INTEGRATION = {storage_integration} -- when: storage_integration
    FILE_FORMAT = (FORMAT_NAME = 'RAW.CATCHMENT.JSON_LINES');
