{#-
  The current state of a replicated table over all shards: one row for each (shard, primary key) that ever was. A delete
  keeps the row, with the values it had last. See README.md, "The application's tables".
-#}
{% macro current_state(table, batch=none) -%}
{%- set declared = declared_tables()[table] -%}
{%- set large = cdc_large_columns(declared) -%}
{%- set columns = cdc_columns_of_table(declared) -%}
{%- set incremental = cdc_is_incremental() -%}
{%- set batch = batch or cdc_batch(table) -%}
{%- if incremental %}{% do cdc_prepare_table(declared) %}{% endif %}
{% if incremental and batch.ranges is not none and not batch.ranges -%}
select * from {{ this }} where false
{%- else %}
{%- set newest_first -%}
partition by {{ cdc_key_columns(declared, 'changes.') }} order by changes._order desc, changes._offset desc
            rows between unbounded preceding and current row
{%- endset %}
{%- set known -%}
select
            {{ cdc_key_columns(declared, 'target.') }},
            case when again._order is null then target._order else '' end as _order,
        {%- for column in large %}
            {{ cdc_known_value(column) }}{{ ',' if not loop.last }}
        {%- endfor %}
        from {{ this }} as target
        inner join incomplete_keys on {{ cdc_same_key(declared, 'target', 'incomplete_keys') }}
        left join (
            select {{ cdc_key_columns(declared) }}, _order
            from changes
            group by {{ cdc_key_columns(declared) }}, _order
        ) as again on {{ cdc_same_key(declared, 'target', 'again') }} and target._order = again._order
        left join (
            select {{ cdc_key_columns(declared) }}, min(_order) as _order
            from changes
            where _op = 'c'
            group by {{ cdc_key_columns(declared) }}
        ) as born on {{ cdc_same_key(declared, 'target', 'born') }} and target._order >= born._order
        where again._order is null or born._order is null
{%- endset %}
with {{ cdc_changes(table, batch) }}
{% if large %}
{{ cdc_filled(table, known if incremental else none) }}
{% endif %}
ranked as (
    select
        changes.*,
        first_value(changes._op) over ({{ newest_first }}) as last_op,
        first_value(changes._epoch) over ({{ newest_first }}) as last_epoch,
        first_value(changes._commit_lsn) over ({{ newest_first }}) as last_commit_lsn,
        first_value(changes._lsn) over ({{ newest_first }}) as last_lsn,
        first_value(changes._order) over ({{ newest_first }}) as last_order,
        first_value(changes._partition) over ({{ newest_first }}) as last_partition,
        first_value(changes._offset) over ({{ newest_first }}) as last_offset,
        first_value(changes._changed_at) over ({{ newest_first }}) as last_changed_at
    from changes
    where changes._op <> 't'
    -- the last row that has values; the delete itself only where the batch has no other change of the key
    qualify row_number() over (
        partition by {{ cdc_key_columns(declared, 'changes.') }}
        order by case when changes._op = 'd' then 1 else 0 end, changes._order desc, changes._offset desc
    ) = 1
),

rows_now as (
    select
        {{ cdc_columns(table) | indent(4) }},
        c._shard,
        c.last_op as _op,
        c.last_epoch as _epoch,
        c.last_commit_lsn as _commit_lsn,
        c.last_lsn as _lsn,
        c.last_order as _order,
        c.last_partition as _partition,
        c.last_offset as _offset,
        c.last_changed_at as _changed_at
    from ranked as c
    {%- if large %}
    left join filled as f on c._shard = f._shard and c._partition = f._partition and c._offset = f._offset
    {%- endif %}
    {%- if incremental and batch.truncates %}
    union all
    -- a truncation reaches rows of which the batch says nothing
    select
        {%- for column in columns %}
        target.{{ column }},
        {%- endfor %}
        target._shard,
        target._op, target._epoch, target._commit_lsn, target._lsn, target._order, target._partition, target._offset,
        target._changed_at
    from {{ this }} as target
    left join ranked on {{ cdc_same_key(declared, 'target', 'ranked') }} and target._order <= ranked.last_order
    where not target._is_deleted and ranked._shard is null
    {%- endif %}
),

latest_truncate as (
    select *
    from truncations
    qualify row_number() over (partition by _shard order by _order desc) = 1
)

select
    {%- for column in columns %}
    n.{{ column }},
    {%- endfor %}
    n._shard,
    (n._op = 'd' or e._order is not null) as _is_deleted,
    case when e._order is null then n._op else 't' end as _op,
    coalesce(e._epoch, n._epoch) as _epoch,
    coalesce(e._commit_lsn, n._commit_lsn) as _commit_lsn,
    coalesce(e._lsn, n._lsn) as _lsn,
    coalesce(e._order, n._order) as _order,
    coalesce(e._partition, n._partition) as _partition,
    coalesce(e._offset, n._offset) as _offset,
    coalesce(e._changed_at, n._changed_at) as _changed_at
from rows_now as n
left join latest_truncate as e on n._shard = e._shard and n._op <> 'd' and n._order < e._order
{%- if incremental and batch.truncates %}
qualify row_number() over (partition by {{ cdc_key_columns(declared, 'n.') }} order by n._order desc) = 1
{%- endif %}
{%- endif %}
{%- endmacro %}
