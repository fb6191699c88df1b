{#-
  Changes as rows, and the values that Postgres left out of them.

  Order within a key of a shard: (epoch, commit, change, offset). `commit` is the first part of Debezium's
  `source.sequence`, the end of the last transaction before this one: it grows in the order in which transactions were
  committed and emitted, also past rows of an incremental snapshot, which have no log position of their own. `change` is
  the log position of the change itself. `_order` is epoch, commit and change as one text that sorts alike.
-#}


{#- The first common table expressions of every model: raw_rows, changes, and `filled` (see cdc_filled). -#}
{% macro cdc_changes(table, batch) -%}
{%- set declared = declared_tables()[table] -%}
raw_rows as (
{{ cdc_raw_rows(table, batch) }}
),

envelopes as (
    select
        _shard,
        _partition,
        _offset,
        _epoch,
        record_metadata:"key" as _key,
        record_content:"after" as _after,
        record_content:"op"::varchar as _op,
        record_content:"source"."lsn"::number(38, 0) as source_lsn,
        try_cast(try_parse_json(record_content:"source"."sequence"::varchar)[0]::varchar as number(38, 0)) as last_commit,
        try_cast(try_parse_json(record_content:"source"."sequence"::varchar)[1]::varchar as number(38, 0)) as sequence_lsn,
        record_content:"source"."txId"::number(38, 0) as _transaction_id,
        record_content:"source"."ts_us"::number(38, 0) as changed_us,
        record_content:"source"."ts_ms"::number(38, 0) as changed_ms
    from raw_rows
    where record_content is not null -- a tombstone says nothing that its delete did not say
),

ordered as (
    select
        _shard,
        _partition,
        _offset,
        _epoch,
        _key,
        _after,
        _op,
        coalesce(last_commit, source_lsn, sequence_lsn, 0) as _commit_lsn,
        coalesce(source_lsn, sequence_lsn, 0) as _lsn,
        _transaction_id,
        to_timestamp_ntz(coalesce(changed_us, changed_ms * 1000), 6) as _changed_at
    from envelopes
    where _op in ('c', 'u', 'd', 'r', 't')
),

changes as (
    select
        _shard,
        _partition,
        _offset,
        _op,
        _epoch,
        _commit_lsn,
        _lsn,
        _transaction_id,
        {{ cdc_order() }} as _order,
        _changed_at,
        _after,
    {%- for column in declared.key %}
        {{ cdc_typed('_key:"' ~ column ~ '"::varchar', declared.columns[column]) }} as {{ column }},
    {%- endfor %}
        {{ cdc_has_holes(declared) }} as _has_holes
    from ordered
),

truncations as (
    select _shard, _order, _epoch, _commit_lsn, _lsn, _transaction_id, _partition, _offset, _changed_at
    from changes
    where _op = 't'
    union
    select shard, change_order, epoch, commit_lsn, change_lsn, transaction_id, kafka_partition, kafka_offset, changed_at
    from {{ source('catchment', 'truncates') }}
    where table_name = '{{ table }}'
),
{%- endmacro %}


{% macro cdc_order() -%}
lpad(_epoch::varchar, 6, '0') || '.' || lpad(_commit_lsn::varchar, 20, '0') || '.' || lpad(_lsn::varchar, 20, '0')
{%- endmacro %}


{#- The columns of a table that can come without their value. -#}
{% macro cdc_large_columns(declared) -%}
    {%- set found = [] -%}
    {%- for column, kind in declared.columns.items() if cdc_can_be_unavailable(kind) and column not in declared.key -%}
        {%- do found.append(column) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}


{% macro cdc_raw_text(column, prefix='') -%}
{{ prefix }}_after:"{{ column }}"::varchar
{%- endmacro %}


{% macro cdc_has_holes(declared) -%}
    {%- set large = cdc_large_columns(declared) -%}
    {%- if not large -%} false {%- else -%}
        _op in ('c', 'u', 'r') and (coalesce({% for column in large -%}
        {{ cdc_unavailable(cdc_raw_text(column), declared.columns[column]) }}
        {{- ', false) or coalesce(' if not loop.last }}
        {%- endfor %}, false))
    {%- endif -%}
{%- endmacro %}


{% macro cdc_same_key(declared, left, right) -%}
{{ left }}._shard = {{ right }}._shard
{%- for column in declared.key %} and {{ left }}.{{ column }} = {{ right }}.{{ column }}{% endfor %}
{%- endmacro %}


{% macro cdc_key_columns(declared, prefix='') -%}
{{ prefix }}_shard
{%- for column in declared.key %}, {{ prefix }}{{ column }}{% endfor %}
{%- endmacro %}
