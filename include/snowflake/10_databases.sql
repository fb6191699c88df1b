-- as: SYSADMIN
CREATE DATABASE IF NOT EXISTS RAW COMMENT = 'What vendors and systems said, unaltered';
CREATE DATABASE IF NOT EXISTS ANALYTICS COMMENT = 'What dbt makes of it';
CREATE DATABASE IF NOT EXISTS ANALYTICS_DEV COMMENT = 'What dbt makes for those who change it: a developer, a pull request';
