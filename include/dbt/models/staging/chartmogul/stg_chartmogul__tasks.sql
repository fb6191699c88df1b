-- Tasks on customers. One row per task.
with current_rows as (
    {{ current_snapshot('chartmogul', 'tasks', key=['task_uuid']) }}
)

select
    {{ text('task_uuid') }} as task_uuid,
    {{ text('customer_uuid') }} as customer_uuid,
    {{ text('assignee') }} as assignee,
    {{ text('task_details') }} as task_details,
    {{ day('due_date') }} as due_on,
    {{ moment('completed_at') }} as completed_at,
    {{ moment('created_at') }} as created_at,
    {{ moment('updated_at') }} as updated_at,
    extracted_at
from current_rows
