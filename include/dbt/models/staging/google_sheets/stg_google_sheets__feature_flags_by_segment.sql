-- Which feature which segment of accounts has, and since when, kept by product. One row per feature and segment.
with current_rows as (
    {{ current_snapshot('google_sheets', 'feature_flags_by_segment', key=['feature', 'segment']) }}
),

{{ cells_as_typed(
    {'feature': 'text', 'segment': ('name', var('segments')), 'since': 'day'},
    key=['feature', 'segment'],
) }}

select
    feature,
    segment,
    since,
    since__shown as since_as_typed,
    {{ where_typed() }}
from typed
