{#-
  Every cell that somebody typed was read. docs/sheets.md says which forms are. Each row that fails is in dbt's log, by
  name.
-#}
{% test cells_are_read(model, stream) %}
{{ config(severity='warn') }}
{%- set query %}
select
    sheet_id,
    sheet_tab,
    sheet_row,
    _not_read as wrong
from {{ model }}
where _not_read is not null
{%- endset %}
{%- set cure = 'correct the cells as docs/sheets.md says; they are empty in the warehouse until then' %}
{{- warn_of_rows(query, stream, 'cells are not read', cure) }}
{{- query }}
{% endtest %}
