-- Which feature which segment of accounts has, and since when, kept by product. One row per feature and segment.
with current_rows as (
    {{ current_snapshot('google_sheets', 'feature_flags_by_segment', key=['feature', 'segment']) }}
)

select
    {{ text_as_typed('feature') }} as feature,
    {{ name_as_typed('segment') }} as segment,
    {{ day_as_typed('since') }} as since,
    {{ text('since') }} as since_as_typed,
    extracted_at
from current_rows
