-- as: ACCOUNTADMIN
-- when: storage_integration
-- Never replaced: a new one has a new external id, and the trust policy in AWS would no longer match.
CREATE STORAGE INTEGRATION IF NOT EXISTS {storage_integration}
    TYPE = EXTERNAL_STAGE
    STORAGE_PROVIDER = 'S3'
    ENABLED = TRUE
    STORAGE_AWS_ROLE_ARN = '{storage_role_arn}'
    STORAGE_ALLOWED_LOCATIONS = ('{stage_urls}');
ALTER STORAGE INTEGRATION {storage_integration} SET
    ENABLED = TRUE
    STORAGE_AWS_ROLE_ARN = '{storage_role_arn}'
    STORAGE_ALLOWED_LOCATIONS = ('{stage_urls}');
GRANT USAGE ON INTEGRATION {storage_integration} TO ROLE SYSADMIN;
