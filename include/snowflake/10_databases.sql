-- as: SYSADMIN
CREATE DATABASE IF NOT EXISTS RAW COMMENT = 'What vendors and systems said, unaltered';
CREATE DATABASE IF NOT EXISTS ANALYTICS COMMENT = 'What dbt makes of it';
