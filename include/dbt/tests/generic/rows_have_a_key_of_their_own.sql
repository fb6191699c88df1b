{#-
  No row of a tab lacks a part of its key or has the key of another. A row that staging left out has the key of one below it.
  Each row that fails is in dbt's log, by name.
-#}
{% test rows_have_a_key_of_their_own(model, stream, key) %}
{{ config(severity='warn') }}
{%- set query %}
select
    sheet_id,
    sheet_tab,
    sheet_row,
    'no'
    {%- for field in key %} || iff({{ field }} is null, ' {{ field }}', '') {%- endfor %} as wrong
from {{ model }}
where {{ key | join(' is null or ') }} is null
union all
select
    {{ path('parent.spreadsheet_id', 'raw_rows.') }}::varchar as sheet_id,
    {{ path('parent.tab', 'raw_rows.') }}::varchar as sheet_tab,
    {{ path('parent.row', 'raw_rows.') }}::number(38, 0) as sheet_row,
    'a row below it has the same {{ key | join(", ") }}' as wrong
from {{ source('google_sheets', stream) }} as raw_rows
inner join (select distinct batch_id from {{ model }}) as newest on raw_rows.batch_id = newest.batch_id
left join {{ model }} as kept on {{ path('parent.row', 'raw_rows.') }}::number(38, 0) = kept.sheet_row
where kept.batch_id is null and {{ path('parent.row', 'raw_rows.') }} is not null
{%- endset %}
{%- set cure = 'give each row its own key or delete it; of rows with one key the lowest counts' %}
{{- warn_of_rows(query, stream, 'rows have no key of their own', cure) }}
{{- query }}
{% endtest %}
