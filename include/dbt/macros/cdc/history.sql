{#-
  Every version of every row of a replicated table, as valid from `valid_from` up to, but without, `valid_to`. What a
  transaction did in between its start and its end was never seen by anybody, so there is one version for each key and
  transaction. A delete or a truncation closes a version; a snapshot's row that differs in nothing begins none.

  All versions of the keys in a batch are rebuilt from the existing versions and the batch (strategy cdc_history): late
  and repeated changes find their place, and intervals can't overlap.
-#}
{% macro history(table, batch=none) -%}
{%- set declared = declared_tables()[table] -%}
{%- set large = cdc_large_columns(declared) -%}
{%- set columns = cdc_columns_of_table(declared) -%}
{%- set incremental = cdc_is_incremental() -%}
{%- set batch = batch or cdc_batch(table) -%}
{%- set key = cdc_key_columns(declared) -%}
{%- set key_columns = cdc_all_key_columns(declared) -%}
{%- if incremental %}{% do cdc_prepare_table(declared) %}{% endif %}
{% if incremental and batch.ranges is not none and not batch.ranges -%}
select * from {{ this }} where false
{%- else %}
{%- set same_transaction -%}
(target._epoch = left(earliest._order, 6)::number(38, 0) and coalesce(target._transaction_id::varchar, target._order) = earliest._transaction)
{%- endset %}
{%- set known -%}
select
            {{ cdc_key_columns(declared, 'target.') }},
            least(target._order, earliest._order) as _order,
        {%- for column in large %}
            {{ cdc_known_value(column) }}{{ ',' if not loop.last }}
        {%- endfor %}
        from {{ this }} as target
        inner join incomplete_keys on {{ cdc_same_key(declared, 'target', 'incomplete_keys') }}
        inner join (
            select
                {{ key }},
                min(_order) as _order,
                min_by(coalesce(_transaction_id::varchar, _order), _order) as _transaction,
                min(case when _op = 'c' then _order end) as _born
            from changes
            group by {{ key }}
        ) as earliest on {{ cdc_same_key(declared, 'target', 'earliest') }}
        -- What was before the batch. If a transaction was merged further than to where the batch begins, its end is all
        -- that is left of it: that stands for its middle, or, where the row was deleted since, nothing does.
        qualify
            case
                when target._order > earliest._order
                then {{ same_transaction }} and target._order < coalesce(earliest._born, '~')
                else not coalesce(boolor_agg(
                    (target._order > earliest._order and {{ same_transaction }})
                    or (target._closed_order > earliest._order and left(target._closed_order, 27) = left(earliest._order, 27))
                ) over (partition by {{ cdc_key_columns(declared, 'target.') }}), false) -- an open version has no closed_order
            end
{%- endset %}
with {{ cdc_changes(table, batch) }}
{% if large %}
{{ cdc_filled(table, known if incremental else none) }}
{% endif %}
arrived as (
    select
        {{ cdc_columns(table) | indent(4) }},
        c._shard,
        c._op,
        c._epoch,
        c._commit_lsn,
        c._lsn,
        c._transaction_id,
        c._order,
        c._partition,
        c._offset,
        c._changed_at,
        1 as _is_new
    from changes as c
    {%- if large %}
    left join filled as f on c._shard = f._shard and c._partition = f._partition and c._offset = f._offset
    {%- endif %}
    where c._op <> 't'
),
{% if incremental %}
touched as (
    select distinct {{ key }}
    from changes
    where _op <> 't'
    {%- if batch.truncates %}
    union distinct
    -- versions that a truncation reaches, also those that something later has closed: it may come late
    select {{ cdc_key_columns(declared, 'target.') }}
    from {{ this }} as target
    inner join changes as t on
        t._op = 't' and target._shard = t._shard and target._order < t._order
        and (target.is_current or target._closed_order > t._order)
    {%- endif %}
),

existing_versions as (
    select target.*
    from {{ this }} as target
    inner join touched on {{ cdc_same_key(declared, 'target', 'touched') }}
),
{% endif %}
changes_and_versions as (
    select *
    from arrived
    {%- if incremental %}
    union all
    select
        {%- for column in columns %}
        {{ column }},
        {%- endfor %}
        _shard, _op, _epoch, _commit_lsn, _lsn, _transaction_id, _order, _partition,
        _offset, _changed_at, 0
    from existing_versions
    union all
    -- the deletes that closed versions
    select
        {%- for column in columns %}
        {{ column if column in key_columns else 'null' }},
        {%- endfor %}
        _shard, 'd',
        left(_closed_order, 6)::number(38, 0),
        substring(_closed_order, 8, 20)::number(38, 0),
        substring(_closed_order, 29, 20)::number(38, 0),
        null, _closed_order, null, null, valid_to, 0
    from existing_versions
    where _closed_by = 'd'
    {%- endif %}
),

every_change as (
    select *
    from changes_and_versions
    union all
    select
        {%- for column in columns %}
        {{ 'keys.' ~ column if column in key_columns else 'null' }},
        {%- endfor %}
        keys._shard, 't', t._epoch, t._commit_lsn, t._lsn, t._transaction_id, t._order,
        t._partition, t._offset, t._changed_at, 1
    from (select distinct {{ key_columns | join(', ') }} from changes_and_versions) as keys
    inner join truncations as t on keys._shard = t._shard
),

last_of_transaction as (
    select
        every_change.*,
        md5(concat({% for column in declared.columns -%}
        coalesce({{ cdc_name(column) }}::varchar, '~'), '|', {% endfor -%} coalesce(_other::varchar, '~'), coalesce(_special::varchar, '~'))) as _digest
    from every_change
    qualify row_number() over (
        partition by {{ key }}, _epoch, coalesce(_transaction_id::varchar, _order) order by _order desc, _is_new desc, _offset desc
    ) = 1
),

compared as (
    select
        last_of_transaction.*,
        lag(_op) over (partition by {{ key }} order by _order, _offset) as op_before,
        lag(_digest) over (partition by {{ key }} order by _order, _offset) as digest_before
    from last_of_transaction
),

real_changes as (
    select
        compared.*,
        max(_changed_at) over (
            partition by {{ key }} order by _order, _offset rows between unbounded preceding and current row
        ) as valid_from
    from compared
    where _op <> 'r' or op_before is null or op_before in ('d', 't') or digest_before <> _digest
),

versions as (
    select
        real_changes.*,
        lead(valid_from) over (partition by {{ key }} order by _order, _offset) as valid_to,
        lead(_op) over (partition by {{ key }} order by _order, _offset) as _closed_by,
        lead(_order) over (partition by {{ key }} order by _order, _offset) as _closed_order
    from real_changes
)

select
    {%- for column in columns %}
    {{ column }},
    {%- endfor %}
    _shard,
    valid_from,
    valid_to,
    valid_to is null as is_current,
    _closed_by,
    _closed_order,
    _op,
    _epoch,
    _commit_lsn,
    _lsn,
    _transaction_id,
    _order,
    _partition,
    _offset,
    _changed_at
from versions
{%- if not incremental %}
where _op not in ('d', 't')
{%- endif %}
{%- endif %}
{%- endmacro %}
