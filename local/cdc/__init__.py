"""Change data capture, locally: the application's shards, Kafka, Connect with Debezium, and how they are started."""
