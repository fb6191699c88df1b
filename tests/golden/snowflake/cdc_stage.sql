CREATE STAGE IF NOT EXISTS RAW.CATCHMENT.KAFKA COMMENT = 'Rows on their way from Kafka: nothing here is kept';
