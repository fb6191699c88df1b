{#-
  Which rows the tests of a replicated table look at: those of the last batch, for a run every few minutes must not read
  whole tables again and again; and all of them between three and four at night, or with the variable `whole_tables`.
-#}


{% macro cdc_tests_whole_tables() -%}
    {{ return(var('whole_tables', run_started_at.hour == 3)) }}
{%- endmacro %}


{#- Whether a row of the relation, known as `row`, is of the last batch that was merged into it. -#}
{% macro cdc_touched(model, row) -%}
{%- if cdc_tests_whole_tables() -%} true {%- else -%}
exists (
        select 1
        from {{ source('catchment', 'watermarks') }} as watermarks
        where watermarks.model = '{{ (model.database ~ '.' ~ model.schema ~ '.' ~ model.identifier) | lower }}'
            and split_part(watermarks.topic, '.', 1) = {{ row }}._shard
            and watermarks.kafka_partition = {{ row }}._partition
            and {{ row }}._offset >= coalesce(watermarks.merged_from, 0)
    )
{%- endif -%}
{%- endmacro %}


{#- The rows of the relation that have the key of a row of the last batch. -#}
{% macro cdc_rows_of_touched_keys(model, key) -%}
{%- if cdc_tests_whole_tables() -%} {{ model }} {%- else -%}
(
    select every_row.*
    from {{ model }} as every_row
    where exists (
        select 1
        from {{ model }} as touched
        where {{ cdc_touched(model, 'touched') }}
        {%- for column in key %}
            and touched.{{ column }} is not distinct from every_row.{{ column }}
        {%- endfor %}
    )
)
{%- endif -%}
{%- endmacro %}
