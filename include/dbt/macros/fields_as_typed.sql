{#- Cells that people typed into a sheet. What can't be read is NULL, never an error: one typo must not stop a run. -#}
{% macro text_as_typed(field) -%}
nullif(trim({{ text(field) }}), '')
{%- endmacro %}


{#- Names of teams, metrics and segments: `Mid-Market ` and `mid_market` are the same. -#}
{% macro name_as_typed(field) -%}
lower(regexp_replace({{ text_as_typed(field) }}, '[ -]+', '_'))
{%- endmacro %}


{#-
  A number with or without currency, blanks and separators: `1234.5`, `1,234.50`, `€ 1 234`, `12,5`. A comma before
  exactly three final digits separates thousands, any other single comma is a decimal one.
-#}
{% macro number_as_typed(field, scale=2) -%}
{%- set digits = "regexp_replace(" ~ text(field) ~ ", '[^0-9.,-]', '')" -%}
try_cast(
        case
            when {{ digits }} like '%,%.%' then replace({{ digits }}, ',', '')
            when {{ digits }} like '%.%,%' then replace(replace({{ digits }}, '.', ''), ',', '.')
            when {{ digits }} like '%,%,%' or {{ digits }} like '%,___' then replace({{ digits }}, ',', '')
            else replace({{ digits }}, ',', '.')
        end as number(38, {{ scale }})
    )
{%- endmacro %}


{#- A month: `2026-03`, `2026-03-31` or `03/2026`, as its first day. -#}
{% macro month_as_typed(field) -%}
{%- set typed = text_as_typed(field) -%}
date_trunc('month', coalesce(
        try_cast({{ typed }} as date),
        try_cast({{ typed }} || '-01' as date),
        try_cast(split_part({{ typed }}, '/', 2) || '-' || split_part({{ typed }}, '/', 1) || '-01' as date)
    ))::date
{%- endmacro %}


{#- A day: `2026-03-31`, `31/03/2026` or `31.03.2026`. -#}
{% macro day_as_typed(field) -%}
{%- set typed = "replace(" ~ text_as_typed(field) ~ ", '.', '/')" -%}
coalesce(
        try_cast({{ typed }} as date),
        try_cast(
            split_part({{ typed }}, '/', 3) || '-' || split_part({{ typed }}, '/', 2) || '-' || split_part({{ typed }}, '/', 1)
            as date
        )
    )
{%- endmacro %}
