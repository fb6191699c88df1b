-- Targets per month, team and metric, kept by the teams in the sales planning sheet. One row per month, team and metric as
-- read; of two the lower one on the sheet counts. A team or metric that is not in the project's variables is not read.
with current_rows as (
    {{ current_snapshot('google_sheets', 'team_targets', key=['month', 'team', 'metric']) }}
),

{{ cells_as_typed(
    {
        'month': 'month',
        'team': ('name', var('target_teams')),
        'metric': ('name', var('target_metrics')),
        'target': 'number',
        'owner': 'text',
    },
    key=['month', 'team', 'metric'],
) }}

select
    month,
    team,
    metric,
    target,
    target__shown as target_as_typed,
    owner,
    {{ where_typed() }}
from typed
