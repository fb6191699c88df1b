"""The Java programs of the local profile (Kafka, Connect, Debezium, the Snowflake sink): locked, fetched, verified."""
