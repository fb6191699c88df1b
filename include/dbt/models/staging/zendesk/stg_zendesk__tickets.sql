{{ config(materialized='table') }}

-- Support tickets with their metric set. One row per ticket, the version with the greatest `generated_timestamp`: it
-- moves on system changes too, where `updated_at` does not. Deleted tickets are kept and marked.
with current_rows as (
    {{ newest_version('zendesk', 'tickets', key=['id'], version='generated_timestamp') }}
)

select
    {{ integer('id') }} as ticket_id,
    {{ text('external_id') }} as external_id,
    {{ text('via.channel') }} as channel,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    to_timestamp_ntz({{ integer('generated_timestamp') }}) as generated_at,
    {{ text('type') }} as ticket_type,
    {{ text('subject') }} as subject,
    {{ text('priority') }} as priority,
    {{ text('status') }} as status,
    {{ integer('requester_id') }} as requester_id,
    {{ integer('submitter_id') }} as submitter_id,
    {{ integer('assignee_id') }} as assignee_id,
    {{ integer('organization_id') }} as organization_id,
    {{ integer('group_id') }} as group_id,
    {{ integer('brand_id') }} as brand_id,
    {{ integer('ticket_form_id') }} as ticket_form_id,
    {{ integer('problem_id') }} as problem_id,
    {{ flag('has_incidents') }} as has_incidents,
    {{ flag('is_public') }} as is_public,
    {{ moment('due_at') }} as due_at,
    {{ json('tags') }} as tags,
    {{ json('custom_fields') }} as custom_fields,
    {{ text('satisfaction_rating.score') }} as satisfaction_score,
    {{ integer('metric_set.replies') }} as replies,
    {{ integer('metric_set.reopens') }} as reopens,
    {{ moment('metric_set.assigned_at') }} as assigned_at,
    {{ moment('metric_set.solved_at') }} as solved_at,
    {{ integer('metric_set.reply_time_in_minutes.calendar') }} as first_reply_minutes,
    {{ integer('metric_set.reply_time_in_minutes.business') }} as first_reply_business_minutes,
    {{ integer('metric_set.first_resolution_time_in_minutes.calendar') }} as first_resolution_minutes,
    {{ integer('metric_set.full_resolution_time_in_minutes.calendar') }} as full_resolution_minutes,
    {{ integer('metric_set.full_resolution_time_in_minutes.business') }} as full_resolution_business_minutes,
    {{ integer('metric_set.requester_wait_time_in_minutes.calendar') }} as requester_wait_minutes,
    coalesce({{ text('status') }} = 'deleted', false) as is_deleted,
    extracted_at
from current_rows
