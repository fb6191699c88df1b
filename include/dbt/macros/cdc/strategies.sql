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
    {%- set kept = [] -%}
    {%- for column in declared.columns if column not in declared.key %}{% do kept.append(column) %}{% endfor -%}
    {%- do kept.extend(['_other', '_special', '_unresolved']) -%}
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
when not matched then insert ({{ (declared.key + kept + change_columns) | join(', ') }}, _shard)
values (source.{{ (declared.key + kept + change_columns) | join(', source.') }}, source._shard)
    {%- endset -%}
    {{ return(snowflake_dml_explicit_transaction(merge)) }}
{%- endmacro %}


{#- All versions of the keys of the batch are replaced. -#}
{% macro get_incremental_cdc_history_sql(arg_dict) -%}
    {%- set table = config.get('meta').table -%}
    {%- set declared = declared_tables()[table] -%}
    {%- do cdc_read_again_if_lacking(arg_dict.temp_relation, table, 'history') -%}
    {%- set columns = arg_dict.dest_columns | map(attribute='name') | join(', ') -%}
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
    {%- if cdc_batch_read().full -%}{{ return('') }}{%- endif -%}
    {%- set lacking = run_query('select count(*) from ' ~ temp_relation ~ " where _unresolved <> '*'").rows[0][0] -%}
    {%- if lacking | int -%}
        {{ log(this ~ ': ' ~ lacking ~ ' rows lack a value that is not in the new changes; reading all of raw.', info=true) }}
        {%- set everything = cdc_batch(table, full=true) -%}
        {%- set sql = current_state(table, everything) if kind == 'current_state' else history(table, everything) -%}
        {%- do run_query('create or replace table ' ~ temp_relation ~ ' as (' ~ sql ~ '\n)') -%}
    {%- endif -%}
{%- endmacro %}
