{#-
  The columns identify a row: together they are unique, and none of them is NULL. One query for both. Of a replicated
  table, which has shards, only the keys of the last batch are looked at (macros/cdc/touched.sql).
-#}
{% test is_key(model, columns) %}
select
    {{ columns | join(', ') }},
    count(*) as row_count
from {{ cdc_rows_of_touched_keys(model, columns) if '_shard' in columns else model }} as tested
group by {{ columns | join(', ') }}
having count(*) > 1 {%- for column in columns %} or {{ column }} is null {%- endfor %}
{% endtest %}
