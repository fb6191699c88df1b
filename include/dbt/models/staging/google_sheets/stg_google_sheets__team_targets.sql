-- Targets per month, team and metric, kept by the teams in the sales planning sheet. One row per month, team and metric as
-- typed; of two the lower one on the sheet counts. What can't be read as a month or a number is NULL beside what was typed.
with current_rows as (
    {{ current_snapshot('google_sheets', 'team_targets', key=['month', 'team', 'metric']) }}
)

select
    {{ month_as_typed('month') }} as month,
    {{ text('month') }} as month_as_typed,
    {{ name_as_typed('team') }} as team,
    {{ name_as_typed('metric') }} as metric,
    {{ number_as_typed('target') }} as target,
    {{ text('target') }} as target_as_typed,
    {{ text_as_typed('owner') }} as owner,
    extracted_at
from current_rows
