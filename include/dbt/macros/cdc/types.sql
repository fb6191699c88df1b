{#-
  Postgres types as Debezium writes them (`decimal.handling.mode=string`, `time.precision.mode=isostring`,
  `binary.handling.mode=hex`), and the types they have here. Each macro takes SQL that gives the value's own text.

      smallint integer bigint   NUMBER(38, 0)      uuid enum inet interval   VARCHAR
      numeric(p,s)              NUMBER(p, s)       bytea                     VARCHAR, hexadecimal
      real, double precision    FLOAT              json jsonb                VARIANT
      timestamptz               TIMESTAMP_TZ       any array                 ARRAY
      timestamp                 TIMESTAMP_NTZ      date, time, boolean       the same

  A value that the type here can't hold (NaN and infinity of numeric, infinity and far years of dates and times) is NULL
  in its column and stands in `_special`, by the column's name, as Postgres spells it.
-#}
{% macro cdc_type(kind) -%}
    {%- if kind.endswith('[]') -%} array
    {%- elif kind in ('smallint', 'integer', 'bigint') -%} number(38, 0)
    {%- elif kind == 'numeric' -%} number(38, 9)
    {%- elif kind.startswith('numeric') -%} {{ kind | replace('numeric', 'number') }}
    {%- elif kind in ('real', 'double precision') -%} float
    {%- elif kind in ('boolean', 'date', 'time') -%} {{ kind }}
    {%- elif kind == 'timestamp' -%} timestamp_ntz
    {%- elif kind == 'timestamptz' -%} timestamp_tz
    {%- elif kind in ('json', 'jsonb') -%} variant
    {%- else -%} varchar
    {%- endif -%}
{%- endmacro %}


{#- The text as the type. Days and zone-less times end in a Z that means nothing. -#}
{% macro cdc_typed(text, kind) -%}
    {%- set type = cdc_type(kind) | trim -%}
    {%- if type == 'array' -%} as_array(try_parse_json({{ text }}))
    {%- elif type == 'variant' -%} try_parse_json({{ text }})
    {%- elif type == 'varchar' -%} {{ text }}
    {%- elif type == 'float' -%} try_cast(replace({{ text }}, 'Infinity', 'inf') as float)
    {%- elif kind == 'time' -%} try_cast(replace({{ text }}, 'Z', '') as {{ type }})
    {%- elif kind in ('date', 'timestamp') -%} try_cast(replace({{ cdc_common_year(text) }}, 'Z', '') as {{ type }})
    {%- elif kind == 'timestamptz' -%} try_cast({{ cdc_common_year(text) }} as {{ type }})
    {%- else -%} try_cast({{ text }} as {{ type }})
    {%- endif -%}
{%- endmacro %}


{#- The text if its year has four digits; not every warehouse refuses others, or the word infinity. -#}
{% macro cdc_common_year(text) -%}
case when {{ text }} like '____-%' then {{ text }} end
{%- endmacro %}


{#- Whether values of the type can lack one here, so that `_special` must speak for them. -#}
{% macro cdc_can_be_special(kind) -%}
    {{ return(kind.startswith('numeric') and not kind.endswith('[]') or kind in ('date', 'timestamp', 'timestamptz')) }}
{%- endmacro %}


{#-
  What `_special` says of a value. Debezium writes infinite days and times as years that Postgres itself can't hold:
  +5877611-06-21Z, +294247-01-10T…; Postgres ends with 5874897 for dates and 294276 for times, and begins at 4713 BC.
-#}
{% macro cdc_special(text, kind) -%}
case
        when {{ text }} is null or {{ cdc_typed(text, kind) }} is not null then null
    {%- if kind.startswith('numeric') %}
        when upper({{ text }}) = 'NAN' then 'NaN'
        when upper({{ text }}) in ('INFINITY', 'POSITIVE_INFINITY') then 'Infinity'
        when upper({{ text }}) in ('-INFINITY', 'NEGATIVE_INFINITY') then '-Infinity'
    {%- else %}
        {%- set year = "try_cast(regexp_substr(" ~ text ~ ", '^[+-]?[0-9]+') as number(38, 0))" %}
        when lower({{ text }}) in ('infinity', '-infinity') then lower({{ text }})
    {%- if kind == 'date' %}
        when {{ text }} like '+292269055-%' then '-infinity' -- an incremental snapshot loses that it is before Christ
    {%- endif %}
        when {{ year }} > {{ 5874897 if kind == 'date' else 294246 }} then 'infinity'
        when {{ year }} < -4714 then '-infinity'
    {%- endif %}
        else {{ text }}
    end
{%- endmacro %}


{#-
  Columns whose large values Postgres keeps apart (TOAST) and leaves out of a change that does not touch them. numeric
  could be so only with thousands of digits.
-#}
{% macro cdc_can_be_unavailable(kind) -%}
    {{ return(kind.endswith('[]') or kind in ('text', 'json', 'jsonb', 'bytea') or kind.startswith('varchar')) }}
{%- endmacro %}


{#- Debezium's word for a value it was not given: as it is, in hexadecimal, or as an array of text or of numbers. -#}
{% macro cdc_unavailable(text, kind) -%}
    {%- set word = '__debezium_unavailable_value' -%}
    {%- if kind == 'bytea' -%}
        {{ text }} in ('{{ word }}', '{{ cdc_hex(word) }}')
    {%- elif kind.endswith('[]') -%}
        {{ text }} in ('{{ word }}', '["{{ word }}"]', '{{ cdc_codes(word) }}')
    {%- else -%}
        {{ text }} = '{{ word }}'
    {%- endif -%}
{%- endmacro %}

{% macro cdc_hex(word) -%}
    {%- for code in word.encode() %}{{ '%02x' % code }}{% endfor -%}
{%- endmacro %}

{% macro cdc_codes(word) -%}
    [{%- for code in word.encode() %}{{ code }}{{ ',' if not loop.last }}{% endfor -%}]
{%- endmacro %}
