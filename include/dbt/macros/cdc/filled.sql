{#-
  Unchanged large values, carried forward column by column. Only keys that lack a value are looked at.

  A *life* of a key begins with an insert. Within it a value that was left out is the last one that was told. A life that
  begins with a value left out is one half of a change of the primary key: the other half is the delete of the old key,
  with the same order, and the value is the old key's just before; that may go on through several keys (`moves`).
  What was merged before (`known`: rows with every value) counts from its own place in the order. Where the batch
  holds that very change again, it knows better what came before: then the row only stands for what the batch lacks.

  Values are text here: 'V' and the value, 'N' for NULL, and NULL for a value that was not told.
  `known` is SQL for such rows: _shard, the key, _order, and the large columns as text.
-#}
{% macro cdc_filled(table, known) -%}
{%- set declared = declared_application().tables[table] -%}
{%- set large = cdc_large_columns(declared) -%}
{%- set in_life = cdc_key_columns(declared) ~ ', _life' -%}
moved as (
    select distinct _shard, _order
    from changes
    where _op = 'c' and _has_holes
),

lacking as (
    select distinct {{ cdc_key_columns(declared) }}
    from changes
    where _has_holes
    union
    select distinct {{ cdc_key_columns(declared, 'changes.') }}
    from changes
    inner join moved on changes._shard = moved._shard and changes._order = moved._order
    where changes._op = 'd'
),

told as (
    select
        {{ cdc_key_columns(declared, 'changes.') }},
        changes._partition,
        changes._offset,
        changes._order,
        changes._op,
        changes._has_holes,
    {%- for column in large %}
        {%- set text = cdc_raw_text(column, 'changes.') %}
        case
            when changes._op = 'd' or {{ cdc_unavailable(text, declared.columns[column]) }} then null
            when {{ text }} is null then 'N'
            else 'V' || {{ text }}
        end as {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
    from changes
    inner join lacking on {{ cdc_same_key(declared, 'changes', 'lacking') }}
    where changes._op <> 't'
    {%- if known %}
    union all
    select
        {{ cdc_key_columns(declared, 'known.') }},
        null::number(38, 0) as _partition,
        -1 as _offset,
        known._order,
        'k' as _op,
        false as _has_holes,
    {%- for column in large %}
        case when known.{{ column }} is null then 'N' else 'V' || known.{{ column }} end{{ ',' if not loop.last }}
    {%- endfor %}
    from (
        {{ known }}
    ) as known
    {%- endif %}
),

lives as (
    select
        told.*,
        sum(case when _op = 'c' then 1 else 0 end) over (
            partition by {{ cdc_key_columns(declared) }} order by _order, _offset rows between unbounded preceding and current row
        ) as _life
    from told
),

carried as (
    select
        {{ cdc_key_columns(declared) }},
        _partition,
        _offset,
        _order,
        _op,
        _has_holes,
        max(case when _op = 'c' and _has_holes then _order end) over (partition by {{ in_life }}) as _moved_at,
    {%- for column in large %}
        last_value({{ column }} ignore nulls) over (
            partition by {{ in_life }} order by _order, _offset rows between unbounded preceding and current row
        ) as {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
    from lives
),

departures as (
    select
        _shard,
        _order,
        _moved_at,
    {%- for column in large %}
        {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
    from carried
    where _op = 'd'
    qualify row_number() over (partition by _shard, _order order by _offset desc) = 1
),

moves as (
    select
        departures._shard,
        departures._order,
        departures._moved_at as _from,
        1 as _steps,
    {%- for column in large %}
        departures.{{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
    from departures
    inner join moved on departures._shard = moved._shard and departures._order = moved._order
    union all
    select
        moves._shard,
        moves._order,
        departures._moved_at as _from,
        moves._steps + 1 as _steps,
    {%- for column in large %}
        coalesce(moves.{{ column }}, departures.{{ column }}) as {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
    from moves
    inner join departures on moves._shard = departures._shard and moves._from = departures._order
    where moves._steps < 100
),

arrivals as (
    select *
    from moves
    qualify row_number() over (partition by _shard, _order order by _steps desc) = 1
),

filled as (
    select
        carried._shard,
        carried._partition,
        carried._offset,
    {%- for column in large %}
        coalesce(carried.{{ column }}, arrivals.{{ column }}) as {{ column }}{{ ',' if not loop.last }}
    {%- endfor %}
    from carried
    left join arrivals on carried._shard = arrivals._shard and carried._moved_at = arrivals._order
    where carried._has_holes
),
{%- endmacro %}


{#- The table's columns, typed, out of `changes as c` and `filled as f`; then `_other`, `_special`, `_unresolved`. -#}
{% macro cdc_columns(table) -%}
{%- set declared = declared_application().tables[table] -%}
{%- set large = cdc_large_columns(declared) -%}
{%- set special = [] -%}
{%- for column, kind in declared.columns.items() %}
    {%- if column in declared.key %}
    c.{{ column }},
    {%- elif column in large %}
    {{ cdc_typed(cdc_filled_text(column, declared.columns[column]), kind) }} as {{ column }},
    {%- else %}
    {{ cdc_typed(cdc_raw_text(column, 'c.'), kind) }} as {{ column }},
    {%- endif %}
    {%- if cdc_can_be_special(kind) %}{% do special.append(column) %}{% endif %}
{%- endfor %}
    {{ cdc_other(declared) }} as _other,
{%- if special %}
    case
        when {% for column in special -%}
        ({{ cdc_raw_text(column, 'c.') }} is not null and {{ cdc_typed(cdc_raw_text(column, 'c.'), declared.columns[column]) }} is null)
        {{- ' or ' if not loop.last }}
        {%- endfor %}
        then object_construct(
        {%- for column in special %}
            '{{ column }}', {{ cdc_special(cdc_raw_text(column, 'c.'), declared.columns[column]) }}{{ ',' if not loop.last }}
        {%- endfor %}
        )::variant
    end as _special,
{%- else %}
    null::variant as _special,
{%- endif %}
    case
        when c._op = 'd' then '*'
    {%- if large %}
        when c._has_holes then nullif(substring(
        {%- for column in large %}
            case
                when {{ cdc_unavailable(cdc_raw_text(column, 'c.'), declared.columns[column]) }} and f.{{ column }} is null
                then ',{{ column }}' else ''
            end{{ ' ||' if not loop.last }}
        {%- endfor %}, 2), '')
    {%- endif %}
    end as _unresolved
{%- endmacro %}


{% macro cdc_filled_text(column, kind) -%}
case
        when c._has_holes and {{ cdc_unavailable(cdc_raw_text(column, 'c.'), kind) }} then substring(nullif(f.{{ column }}, 'N'), 2)
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
