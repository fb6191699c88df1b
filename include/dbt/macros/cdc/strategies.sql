{#-
  How a batch is merged into an existing table. Both strategies are idempotent.
-#}


{#-
  The newest change of each key, unless the table holds a newer one. The same change again counts: after a replay that
  fixed a gap, the batch knows more of the values before it.
-#}
{% macro get_incremental_cdc_current_sql(arg_dict) -%}
    {%- set table = config.get('meta').table -%}
    {%- set declared = declared_tables()[table] -%}
    {%- do cdc_read_again_if_lacking(arg_dict.temp_relation, table, 'current_state') -%}
    {%- set columns = cdc_columns_of_table(declared) -%}
    {%- set kept = columns | reject('in', cdc_all_key_columns(declared)) | list -%}
    {%- set change_columns = ['_is_deleted', '_op', '_epoch', '_commit_lsn', '_lsn', '_order', '_partition', '_offset', '_changed_at'] -%}
    {%- set merge -%}
merge into {{ arg_dict.target_relation }} as target
using {{ arg_dict.temp_relation }} as source
on {{ cdc_same_key(declared, 'target', 'source') }}
when matched and source._order >= target._order then update set
    {% for column in kept -%}
    {{ column }} = case when source._unresolved = '*' then target.{{ column }} else source.{{ column }} end,
    {% endfor -%}
    {% for column in change_columns -%}
    {{ column }} = source.{{ column }}{{ ',' if not loop.last }}
    {% endfor %}
when not matched then insert (_shard, {{ (columns + change_columns) | join(', ') }})
values (source._shard, source.{{ (columns + change_columns) | join(', source.') }})
    {%- endset -%}
    {{ return(snowflake_dml_explicit_transaction(merge)) }}
{%- endmacro %}


{#- All versions of the keys of the batch are replaced. -#}
{% macro get_incremental_cdc_history_sql(arg_dict) -%}
    {%- set table = config.get('meta').table -%}
    {%- set declared = declared_tables()[table] -%}
    {%- do cdc_read_again_if_lacking(arg_dict.temp_relation, table, 'history') -%}
    {%- set columns = arg_dict.dest_columns | map(attribute='quoted') | join(', ') -%}
    {%- set replace_keys -%}
delete from {{ arg_dict.target_relation }} as target
using (select distinct {{ cdc_key_columns(declared) }} from {{ arg_dict.temp_relation }}) as source
where {{ cdc_same_key(declared, 'target', 'source') }};

insert into {{ arg_dict.target_relation }} ({{ columns }})
select {{ columns }}
from {{ arg_dict.temp_relation }}
where _op not in ('d', 't')
    {%- endset -%}
    {{ return(snowflake_dml_explicit_transaction(replace_keys)) }}
{%- endmacro %}


{#-
  A value may be neither in the batch nor in the table: half of a primary key's change was merged before, and the old
  key exists again since. Then the batch is rebuilt from all of raw. This is rare, so the cost is acceptable.
-#}
{% macro cdc_read_again_if_lacking(temp_relation, table, kind) -%}
    {%- if cdc_batch_of_run().full -%}{{ return('') }}{%- endif -%}
    {%- set lacking = run_query('select count(*) from ' ~ temp_relation ~ " where " ~ cdc_lacks_a_value()).rows[0][0] -%}
    {%- if lacking | int -%}
        {{ log(this ~ ': ' ~ lacking ~ ' rows lack a value that is not in the new changes; reading all of raw.', info=true) }}
        {%- set everything = cdc_batch(table, full=true) -%}
        {%- set sql = current_state(table, everything) if kind == 'current_state' else history(table, everything) -%}
        {%- do run_query('create or replace table ' ~ temp_relation ~ ' as (' ~ sql ~ '\n)') -%}
    {%- endif -%}
{%- endmacro %}


{#- A value was left out, and the record that had it has not come. (If it was rejected, nothing more will come.) -#}
{% macro cdc_lacks_a_value() -%}
_unresolved <> '*' and _rejected_offset is null
{%- endmacro %}


{#- A table that was built before has its new columns added, where they can be: a key's own text is in raw alone. -#}
{% macro cdc_prepare_table(declared) -%}
    {%- set names = adapter.get_columns_in_relation(this) | map(attribute='name') | map('upper') | list -%}
    {%- if '_key' in declared.merge_key and '_KEY' not in names -%}
        {%- do exceptions.raise_compiler_error(this ~ ' has no column _key, by which rows are distinguished since its key has a '
            ~ 'type that holds less here than in Postgres. Run this model once with --full-refresh. Nothing was changed.') -%}
    {%- endif -%}
    {%- if '_REJECTED_OFFSET' not in names -%}
        {%- do run_query('alter table ' ~ this ~ ' add column _rejected_offset number(38, 0)') -%}
    {%- endif -%}
{%- endmacro %}
