"""The Airflow shell around the package: operators that say what, hold nothing, and do one thing."""
