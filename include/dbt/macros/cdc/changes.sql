{#-
  Changes as rows: (shard, key, partition, offset), what was done, and when.

  Order within a key of a shard: (epoch, commit, change, offset), the first three as one text that sorts alike, `_order`.
  `commit` is the end of the transaction before, the first half of Debezium's `source.sequence`: it grows in the order in
  which transactions are emitted. `change` is the log position of the change itself, 0 for rows of an incremental snapshot,
  which lie where they were read. What has no `commit` of its own (docs/adr/0013):
  - a row of an initial snapshot lies at the snapshot's position;
  - the first transaction after it, right behind that position or, if it wrote later, at its own: it may have begun to
    write before the snapshot, and was committed after it;
  - a delete of ours for a row that the snapshot lacks, before all else in the epoch;
  - a rejected record of which not even the source could be kept, with the record before it in its partition.
-#}


{#- The first common table expressions of every model: raw_rows, changes, truncations. -#}
{% macro cdc_changes(table, batch) -%}
{%- set declared = declared_tables()[table] -%}
{%- set alone = 'over (partition by _shard, _partition order by _offset rows between ' -%}
raw_rows as (
{{ cdc_raw_rows(table, batch) }}
),

envelopes as (
    select
        _shard,
        _partition,
        _offset,
        _epoch,
        _snapshot_lsn,
        record_metadata:"key" as key_values,
        record_content:"after" as _after,
        record_content:"op"::varchar as op,
        record_content:"source" is not null as has_source,
        {{ cdc_is_hole() }} as is_hole,
        record_content:"source"."connector"::varchar as connector,
        record_content:"source"."snapshot"::varchar as snapshot,
        try_cast(try_parse_json(record_content:"source"."sequence"::varchar)[0]::varchar as number(38, 0)) as last_commit,
        coalesce(
            record_content:"source"."lsn"::number(38, 0),
            try_cast(try_parse_json(record_content:"source"."sequence"::varchar)[1]::varchar as number(38, 0)),
            0
        ) as lsn,
        record_content:"source"."txId"::number(38, 0) as _transaction_id,
        coalesce(
            record_content:"source"."ts_us"::number(38, 0),
            coalesce(record_content:"source"."ts_ms", record_metadata:"CreateTime")::number(38, 0) * 1000
        ) as changed_us
    from raw_rows
    where record_content:"op" is not null or {{ cdc_is_hole() }}
),

placed as (
    select
        *,
        case
            when has_source and connector = 'catchment' then 0
            when has_source and op = 'r' and snapshot <> 'incremental' then lsn
            when has_source then coalesce(last_commit, greatest(coalesce(_snapshot_lsn + 1, 0), lsn))
        end as own_commit,
        case when has_source then lsn end as own_lsn
    from envelopes
),

ordered as (
    select
        *,
        {%- if batch.unplaced %}
        coalesce(
            own_commit,
            last_value(own_commit ignore nulls) {{ alone }}unbounded preceding and current row),
            first_value(own_commit ignore nulls) {{ alone }}current row and unbounded following),
            0
        ) as _commit_lsn,
        coalesce(
            own_lsn,
            last_value(own_lsn ignore nulls) {{ alone }}unbounded preceding and current row),
            first_value(own_lsn ignore nulls) {{ alone }}current row and unbounded following),
            0
        ) as _lsn
        {%- else %}
        coalesce(own_commit, 0) as _commit_lsn,
        coalesce(own_lsn, 0) as _lsn
        {%- endif %}
    from placed
    where key_values is not null or op = 't' -- others are no changes of rows
),

changes as (
    select
        _shard,
        _partition,
        _offset,
        case when op in ('c', 'u', 'd', 'r', 't') then op else 'u' end as _op,
        _epoch,
        _commit_lsn,
        _lsn,
        _transaction_id,
        lpad(_epoch::varchar, 6, '0') || '.' || lpad(_commit_lsn::varchar, 20, '0') || '.' || lpad(_lsn::varchar, 20, '0') as _order,
        to_timestamp_ntz(changed_us, 6) as _changed_at,
        _after,
    {%- for column in declared.key %}
        {{ cdc_typed('key_values:"' ~ column ~ '"::varchar', declared.columns[column]) }} as {{ cdc_name(column) }},
    {%- endfor %}
    {%- if '_key' in declared.merge_key %}
        {{ cdc_key_text(declared) }} as _key,
    {%- endif %}
        -- what is known of such a record is that it was: its values are lost, unless it is sent again
        is_hole and coalesce(op, 'u') <> 'd' as _is_rejected,
        {{ cdc_is_partial(declared) }} as _is_partial
    from ordered
),

truncations as (
    select _shard, _order, _epoch, _commit_lsn, _lsn, _transaction_id, _partition, _offset, _changed_at
    from changes
    where _op = 't'
    union distinct
    select shard, change_order, epoch, commit_lsn, change_lsn, transaction_id, kafka_partition, kafka_offset, changed_at
    from {{ source('catchment', 'truncates') }}
    where table_name = '{{ table }}'
),
{%- endmacro %}


{#-
  A record that was rejected, or that is no change as Debezium writes it. A tombstone is neither: it says nothing that its
  delete did not say; Snowflake's sink writes it as an empty object.
-#}
{% macro cdc_is_hole() -%}
(record_metadata:"rejected" is not null or (
            coalesce(record_content:"op"::varchar, '') not in ('c', 'u', 'd', 'r', 't')
            and coalesce(to_json(record_content), 'null') not in ('{}', 'null')
        ))
{%- endmacro %}


{#- A column of the application's table as SQL: createdAt is CREATEDAT here, as Snowflake reads it without quotes. -#}
{% macro cdc_name(column, prefix='') -%}
    {{ return(prefix ~ '"' ~ (column | upper) ~ '"') }}
{%- endmacro %}


{#- The key as it came, as one text: types here can't tell all of Postgres' values apart. -#}
{% macro cdc_key_text(declared) -%}
to_json(array_construct({% for column in declared.key %}key_values:"{{ column }}"{{ ', ' if not loop.last }}{% endfor %}))
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


{#- Whether a change left out a large value. -#}
{% macro cdc_is_partial(declared) -%}
    {%- set large = cdc_large_columns(declared) -%}
    {%- if not large -%} false {%- else -%}
        op in ('c', 'u', 'r') and (coalesce({% for column in large -%}
        {{ cdc_unavailable(cdc_raw_text(column), declared.columns[column]) }}
        {{- ', false) or coalesce(' if not loop.last }}
        {%- endfor %}, false))
    {%- endif -%}
{%- endmacro %}


{% macro cdc_same_key(declared, left, right) -%}
{%- for column in declared.merge_key %}{{ ' and ' if not loop.first }}{{ left }}.{{ column }} = {{ right }}.{{ column }}{% endfor %}
{%- endmacro %}


{#- What tells the rows of a table apart: the shard, the key's columns, and the key's own text where types can't. -#}
{% macro cdc_key_columns(declared, prefix='') -%}
{{ prefix }}{{ declared.merge_key | join(', ' ~ prefix) }}
{%- endmacro %}


{#- The shard and all columns of the key: those that tell rows apart, and those whose type can't. -#}
{% macro cdc_all_key_columns(declared) -%}
    {%- set found = declared.merge_key | list -%}
    {%- for column in declared.key if cdc_name(column) not in found %}{% do found.append(cdc_name(column)) %}{% endfor -%}
    {{ return(found) }}
{%- endmacro %}


{#- The columns that say how a row is and what is known of it, in order. -#}
{% macro cdc_columns_of_table(declared) -%}
    {%- set found = [] -%}
    {%- for column in declared.columns %}{% do found.append(cdc_name(column)) %}{% endfor -%}
    {{ return(found + (['_key'] if '_key' in declared.merge_key else []) + ['_other', '_special', '_unresolved', '_rejected_offset']) }}
{%- endmacro %}
