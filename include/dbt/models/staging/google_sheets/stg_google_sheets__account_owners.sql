-- Who looks after which account, kept by sales. One row per account code, which keeps its leading zeros.
with current_rows as (
    {{ current_snapshot('google_sheets', 'account_owners', key=['account_code']) }}
)

select
    {{ text_as_typed('account_code') }} as account_code,
    {{ text_as_typed('account_id') }} as account_id,
    {{ text_as_typed('owner') }} as owner,
    {{ name_as_typed('segment_override') }} as segment_override,
    extracted_at
from current_rows
