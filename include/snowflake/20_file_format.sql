-- as: SYSADMIN
-- Every option that could alter a record or hide a bad one is set: a bad line is an error, and so a reject.
-- NULL_IF is empty because its default turns a text of backslash and N into NULL.
CREATE FILE FORMAT IF NOT EXISTS RAW.CATCHMENT.JSON_LINES
    TYPE = JSON
    COMPRESSION = ZSTD
    STRIP_OUTER_ARRAY = FALSE
    STRIP_NULL_VALUES = FALSE
    TRIM_SPACE = FALSE
    NULL_IF = ()
    ENABLE_OCTAL = FALSE
    ALLOW_DUPLICATE = FALSE
    REPLACE_INVALID_CHARACTERS = FALSE
    IGNORE_UTF8_ERRORS = FALSE
    COMMENT = 'Landed parts: one JSON record a line';
