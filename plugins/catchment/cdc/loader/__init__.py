"""Kafka → raw: rows and offsets in one warehouse transaction, in the row contract of Snowflake's own Kafka sink.

`loader` is the service; `replay` brings a range of offsets into raw again; `audit` finds gaps and duplicates, whichever
path wrote the rows. All three know a topic by what is declared (`catchment.cdc.declared`).
"""
