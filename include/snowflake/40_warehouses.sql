-- as: SYSADMIN
-- for each: warehouse
-- Created once, then set: a changed size takes effect at the next apply, an unchanged one does nothing.
CREATE WAREHOUSE IF NOT EXISTS {warehouse} WAREHOUSE_SIZE = {size} INITIALLY_SUSPENDED = TRUE;
ALTER WAREHOUSE {warehouse} SET
    WAREHOUSE_SIZE = {size}
    AUTO_SUSPEND = {auto_suspend}
    AUTO_RESUME = TRUE
    STATEMENT_TIMEOUT_IN_SECONDS = {statement_timeout};
