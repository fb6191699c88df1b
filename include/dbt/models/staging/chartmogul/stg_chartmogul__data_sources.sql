-- Where ChartMogul gets its data from. One row per data source. Metrics are not final while `pending_records` is above 0.
with current_rows as (
    {{ current_snapshot('chartmogul', 'data_sources', key=['uuid']) }}
)

select
    {{ text('uuid') }} as data_source_uuid,
    {{ text('name') }} as data_source_name,
    {{ text('system') }} as system,
    {{ text('status') }} as status,
    {{ integer('processing_status.processed') }} as processed_records,
    {{ integer('processing_status.failed') }} as failed_records,
    {{ integer('processing_status.pending') }} as pending_records,
    {{ moment('created_at') }} as created_at,
    extracted_at
from current_rows
