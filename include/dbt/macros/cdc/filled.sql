{#-
  Unchanged large values, carried forward column by column. Only keys that lack a value are read.

  A *lifetime* of a key begins with an insert. Within it, a value that Postgres left out is the last one that was sent. A
  lifetime that begins with a value left out is one half of a primary-key change: the other half is the delete of the old
  key, with the same order, and the value is the one the old key had just before. Several keys may form a chain
  (`key_change_chains`). What was merged before (`known`: rows with every value) counts from its own place in the order.
  If the batch holds that same change again, it knows better what came before: the row then only fills what it lacks.

  Values are text here: 'V' and the value; 'N' for NULL; '?' and an offset for a value that is lost, for the record at that
  offset was rejected (-1: raw never had it); and NULL for a value that was not sent.
  `known` is SQL for such rows: the key, _order, and the large columns.
-#}
{% macro cdc_filled(table, known) -%}
{%- set declared = declared_tables()[table] -%}
{%- set large = cdc_large_columns(declared) -%}
{%- set in_lifetime = cdc_key_columns(declared) ~ ', _lifetime' -%}
key_changes as (
    select distinct _shard, _order
    from changes
    where _op = 'c' and _is_partial
),

incomplete_keys as (
    select distinct {{ cdc_key_columns(declared) }}
    from changes
    where _is_partial
    union distinct
    select distinct {{ cdc_key_columns(declared, 'changes.') }}
    from changes
    inner join key_changes on changes._shard = key_changes._shard and changes._order = key_changes._order
    where changes._op = 'd'
),

values_sent as (
    select
        {{ cdc_key_columns(declared, 'changes.') }},
        changes._partition,
        changes._offset,
        changes._order,
        changes._op,
        changes._is_partial,
    {%- for column in large %}
        {%- set text = cdc_raw_text(column, 'changes.') %}
        case
            when changes._is_rejected then '?' || changes._offset
            when changes._op = 'd' or {{ cdc_unavailable(text, declared.columns[column]) }} then null
            when {{ text }} is null then 'N'
            else 'V' || {{ text }}
        end as {{ cdc_name(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
    from changes
    inner join incomplete_keys on {{ cdc_same_key(declared, 'changes', 'incomplete_keys') }}
    where changes._op <> 't'
    {%- if known %}
    union all
    select
        {{ cdc_key_columns(declared, 'known.') }},
        null::number(38, 0) as _partition,
        -1 as _offset,
        known._order,
        'k' as _op,
        false as _is_partial,
    {%- for column in large %}
        known.{{ cdc_name(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
    from (
        {{ known }}
    ) as known
    {%- endif %}
),

key_lifetimes as (
    select
        values_sent.*,
        sum(case when _op = 'c' then 1 else 0 end) over (
            partition by {{ cdc_key_columns(declared) }} order by _order, _offset rows between unbounded preceding and current row
        ) as _lifetime
    from values_sent
),

carried as (
    select
        {{ cdc_key_columns(declared) }},
        _partition,
        _offset,
        _order,
        _op,
        _is_partial,
        max(case when _op = 'c' and _is_partial then _order end) over (partition by {{ in_lifetime }}) as _moved_at,
    {%- for column in large %}
        last_value({{ cdc_name(column) }} ignore nulls) over (
            partition by {{ in_lifetime }} order by _order, _offset rows between unbounded preceding and current row
        ) as {{ cdc_name(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
    from key_lifetimes
),

key_change_deletes as (
    select
        _shard,
        _order,
        _moved_at,
    {%- for column in large %}
        {{ cdc_name(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
    from carried
    where _op = 'd'
    qualify row_number() over (partition by _shard, _order order by _offset desc) = 1
),

key_change_chains as (
    select
        key_change_deletes._shard,
        key_change_deletes._order,
        key_change_deletes._moved_at as _from,
        1 as _steps,
    {%- for column in large %}
        key_change_deletes.{{ cdc_name(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
    from key_change_deletes
    inner join key_changes on key_change_deletes._shard = key_changes._shard and key_change_deletes._order = key_changes._order
    union all
    select
        key_change_chains._shard,
        key_change_chains._order,
        key_change_deletes._moved_at as _from,
        key_change_chains._steps + 1 as _steps,
    {%- for column in large %}
        coalesce(key_change_chains.{{ cdc_name(column) }}, key_change_deletes.{{ cdc_name(column) }}) as {{ cdc_name(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
    from key_change_chains
    inner join key_change_deletes on key_change_chains._shard = key_change_deletes._shard and key_change_chains._from = key_change_deletes._order
    where key_change_chains._steps < 100
),

inherited_values as (
    select *
    from key_change_chains
    qualify row_number() over (partition by _shard, _order order by _steps desc) = 1
),

filled as (
    select
        carried._shard,
        carried._partition,
        carried._offset,
    {%- for column in large %}
        coalesce(carried.{{ cdc_name(column) }}, inherited_values.{{ cdc_name(column) }}) as {{ cdc_name(column) }}{{ ',' if not loop.last }}
    {%- endfor %}
    from carried
    left join inherited_values on carried._shard = inherited_values._shard and carried._moved_at = inherited_values._order
    where carried._is_partial
),
{%- endmacro %}


{#- What a row of the table knows of a large column, as `known` of `cdc_filled`. -#}
{% macro cdc_known_value(column) -%}
case
            when {{ cdc_name(column, 'target.') }} is not null then 'V' || {{ cdc_name(column, 'target.') }}::varchar
            when target._unresolved = '*' or contains(',' || target._unresolved || ',', ',{{ column }},')
            then '?' || coalesce(target._rejected_offset, -1)
            else 'N'
        end as {{ cdc_name(column) }}
{%- endmacro %}


{#- The table's columns, typed, out of `changes as c` and `filled as f`; then what is said of them. -#}
{% macro cdc_columns(table) -%}
{%- set declared = declared_tables()[table] -%}
{%- set large = cdc_large_columns(declared) -%}
{%- set texts, special = {}, [] -%}
{%- for column, kind in declared.columns.items() %}
    {%- do texts.update({column: cdc_filled_text(column, kind) if column in large else cdc_raw_text(column, 'c.')}) %}
    {%- if column in declared.key %}
    {{ cdc_name(column, 'c.') }},
    {%- else %}
    {{ cdc_typed(texts[column], kind, 'c._op') }} as {{ cdc_name(column) }},
    {%- endif %}
    {%- if cdc_can_be_special(kind) %}{% do special.append(column) %}{% endif %}
{%- endfor %}
    {%- if '_key' in declared.merge_key %}
    c._key,
    {%- endif %}
    {{ cdc_other(declared) }} as _other,
{%- if special %}
    case
        when {% for column in special -%}
        ({{ texts[column] }} is not null and {{ cdc_typed(texts[column], declared.columns[column], none if column in declared.key else 'c._op') }} is null)
        {{- ' or ' if not loop.last }}
        {%- endfor %}
        then object_construct(
        {%- for column in special %}
            '{{ column }}', {{ cdc_special(texts[column], declared.columns[column], none if column in declared.key else 'c._op') }}{{ ',' if not loop.last }}
        {%- endfor %}
        )::variant
    end as _special,
{%- else %}
    null::variant as _special,
{%- endif %}
    case
        when c._op = 'd' then '*'
        when c._is_rejected then '{{ declared.columns | reject("in", declared.key) | join(",") }}'
    {%- if large %}
        when c._is_partial then nullif(substring(
        {%- for column in large %}
            {{ '|| ' if not loop.first }}case
                when {{ cdc_is_left_out(column, declared) }} and coalesce({{ cdc_name(column, 'f.') }}, '?') like '?%'
                then ',{{ column }}' else ''
            end
        {%- endfor %}, 2), '')
    {%- endif %}
    end as _unresolved,
    case
        when c._is_rejected then c._offset
    {%- if large %}
        when c._is_partial then coalesce(
        {%- for column in large %}
            case when {{ cdc_is_left_out(column, declared) }} and {{ cdc_name(column, 'f.') }} like '?%'
                then try_cast(substring({{ cdc_name(column, 'f.') }}, 2) as number(38, 0)) end,
        {%- endfor %}
            null
        )
    {%- endif %}
    end as _rejected_offset
{%- endmacro %}


{% macro cdc_is_left_out(column, declared) -%}
{{ cdc_unavailable(cdc_raw_text(column, 'c.'), declared.columns[column]) }}
{%- endmacro %}


{% macro cdc_filled_text(column, kind) -%}
case
        when c._is_partial and {{ cdc_unavailable(cdc_raw_text(column, 'c.'), kind) }}
        then case when {{ cdc_name(column, 'f.') }} like 'V%' then substring({{ cdc_name(column, 'f.') }}, 2) end
        else {{ cdc_raw_text(column, 'c.') }}
    end
{%- endmacro %}


{#- Fields that are not declared. Most rows have none: then the names are the declared ones, in one of two orders. -#}
{% macro cdc_other(declared) -%}
{%- set names = declared.columns.keys() | list -%}
case
        when to_json(object_keys(c._after::object)) not in ({{ cdc_names(names) }}, {{ cdc_names(names | sort) }})
        then try_parse_json(nullif(to_json(object_delete(c._after::object, {{ quoted(names) }})), '{}'))
    end
{%- endmacro %}


{% macro cdc_names(names) -%}
'["{{ names | join('","') }}"]'
{%- endmacro %}
