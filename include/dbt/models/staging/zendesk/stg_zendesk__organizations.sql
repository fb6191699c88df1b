-- Organizations; `external_id` is the company's account id. One row per organization, the version updated last.
-- Deleted organizations are kept and marked.
with current_rows as (
    {{ newest_version('zendesk', 'organizations', key=['id'], version='updated_at') }}
)

select
    {{ integer('id') }} as organization_id,
    {{ text('external_id') }} as external_id,
    {{ text('name') }} as organization_name,
    {{ integer('group_id') }} as group_id,
    {{ json('domain_names') }} as domain_names,
    {{ json('tags') }} as tags,
    {{ json('organization_fields') }} as organization_fields,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    {{ moment('deleted_at') }} as deleted_at,
    {{ text('deleted_at') }} is not null as is_deleted,
    extracted_at
from current_rows
