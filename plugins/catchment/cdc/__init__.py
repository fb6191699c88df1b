"""Change data capture: the application's sharded Postgres, through Debezium and Kafka, into the warehouse."""
