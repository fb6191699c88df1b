-- Who looks after which account, kept by sales. One row per account code, which keeps its leading zeros.
with current_rows as (
    {{ current_snapshot('google_sheets', 'account_owners', key=['account_code']) }}
),

{{ cells_as_typed(
    {
        'account_code': 'text',
        'account_id': 'text',
        'owner': 'text',
        'segment_override': ('name', var('segments')),
    },
    key=['account_code'],
) }}

select
    account_code,
    account_id,
    owner,
    segment_override,
    {{ where_typed() }}
from typed
