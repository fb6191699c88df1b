{#-
  Postgres types as Debezium writes them (`decimal.handling.mode=string`, `time.precision.mode=isostring`,
  `binary.handling.mode=hex`), and the types they have here. Each macro takes SQL that gives the value's own text.

      smallint integer bigint   NUMBER(38, 0)      uuid enum inet cidr macaddr   VARCHAR
      numeric(p,s)              NUMBER(p, s)       interval                      VARCHAR, ISO 8601
      numeric                   NUMBER(38, 9)      bytea                         VARCHAR, hexadecimal
      real, double precision    FLOAT              json jsonb                    VARIANT
      timestamptz               TIMESTAMP_TZ       any array                     ARRAY
      timestamp                 TIMESTAMP_NTZ      date, time, boolean           the same

  No cast changes a value: what the type here can't hold as it is (more digits, NaN, infinity, years before 1 and beyond
  9999, text where a number is declared) is NULL in its column, and stands in `_special` by the column's name, as
  Postgres prints it. docs/cdc_types.md is the whole table, tried on the real parts.
-#}
{% macro cdc_type(kind) -%}
    {%- set base = kind.partition('(')[0] -%}
    {%- if kind.endswith('[]') -%} array
    {%- elif base in ('smallint', 'integer', 'bigint') -%} number(38, 0)
    {%- elif kind == 'numeric' -%} number(38, 9)
    {%- elif base == 'numeric' -%} {{ kind | replace('numeric', 'number') }}
    {%- elif base in ('real', 'double precision') -%} float
    {%- elif base in ('boolean', 'date', 'time') -%} {{ base }}
    {%- elif base == 'timestamp' -%} timestamp_ntz
    {%- elif base == 'timestamptz' -%} timestamp_tz
    {%- elif base in ('json', 'jsonb') -%} variant
    {%- else -%} varchar
    {%- endif -%}
{%- endmacro %}


{#-
  The text as the type, or NULL. Days and zone-less times end in a Z that means nothing; blanks at the end of a char(n)
  neither. `op` is SQL of the change's operation where it is known: see cdc_uncertain.
-#}
{% macro cdc_typed(text, kind, op=none) -%}
    {%- set type = cdc_type(kind) | trim -%}
    {%- set base = kind.partition('(')[0] -%}
    {%- if type == 'array' -%} as_array(try_parse_json({{ text }}))
    {%- elif type == 'variant' -%} try_parse_json({{ text }})
    {%- elif base == 'char' -%} rtrim({{ text }}, ' ')
    {%- elif type == 'varchar' -%} {{ text }}
    {%- elif type == 'float' -%} try_cast(replace({{ text }}, 'Infinity', 'inf') as float)
    {%- elif type.startswith('number') -%} try_cast({{ cdc_exact_number(text, type) }} as {{ type }})
    {%- elif base == 'time' -%} try_cast(replace({{ text }}, 'Z', '') as {{ type }})
    {%- elif base == 'date' and op -%}
        try_cast(case when not {{ cdc_uncertain(text, op) }} then replace({{ cdc_common_year(text) }}, 'Z', '') end as {{ type }})
    {%- elif base in ('date', 'timestamp') -%} try_cast(replace({{ cdc_common_year(text) }}, 'Z', '') as {{ type }})
    {%- elif base == 'timestamptz' -%} try_cast({{ cdc_common_year(text) }} as {{ type }})
    {%- else -%} try_cast({{ text }} as {{ type }})
    {%- endif -%}
{%- endmacro %}


{#- The text if the number type holds all of its digits: a cast would round the others. -#}
{% macro cdc_exact_number(text, type) -%}
    {%- set precision, scale = (type | replace('number(', '') | replace(')', '')).split(',') -%}
    {%- set whole = [(precision | int) - (scale | int), 1] | max -%}
    {%- set fraction = '([.][0-9]{0,' ~ scale | int ~ '}0*)?' -%}
case when regexp_like({{ text }}, '-?[0-9]{1,{{ whole }}}{{ fraction }}') then {{ text }} end
{%- endmacro %}


{#- The text if its year is one from 0001 to 9999; not every warehouse refuses others, or the word infinity. -#}
{% macro cdc_common_year(text) -%}
case when {{ text }} like '____-%' and {{ text }} not like '0000-%' then {{ text }} end
{%- endmacro %}


{#-
  Whether a date is not certain. Debezium (3.7) reads dates of a snapshot by a calendar that changed in October 1582:
  BC is lost, and the ten days that were left out come ten days late. A change that is streamed is right.
-#}
{% macro cdc_uncertain(text, op) -%}
({{ op }} = 'r' and {{ text }} < '1582-10-25' and {{ text }} like '____-%')
{%- endmacro %}


{#- Whether values of the type can lack one here, so that `_special` must speak for them. -#}
{% macro cdc_can_be_special(kind) -%}
    {{ return(cdc_type(kind) | trim != 'varchar') }}
{%- endmacro %}


{#-
  What `_special` says of a value. Debezium writes infinite days and times as years that Postgres itself can't hold:
  +5877611-06-21Z, +292278994-08-16T23:00:00Z…; Postgres ends with 5874897 for dates and 294276 for times, and begins at
  4714 BC. An incremental snapshot's -infinity of a date has lost its sign.
-#}
{% macro cdc_special(text, kind, op=none) -%}
    {%- set base = kind.partition('(')[0] -%}
case
        when {{ text }} is null or {{ cdc_typed(text, kind, op) }} is not null then null
    {%- if base == 'numeric' %}
        when upper({{ text }}) = 'NAN' then 'NaN'
        when upper({{ text }}) in ('INFINITY', 'POSITIVE_INFINITY') then 'Infinity'
        when upper({{ text }}) in ('-INFINITY', 'NEGATIVE_INFINITY') then '-Infinity'
    {%- elif base in ('date', 'timestamp', 'timestamptz') and not kind.endswith('[]') %}
        {%- set year = "try_cast(regexp_substr(" ~ text ~ ", '^[+-]?[0-9]+') as number(38, 0))" %}
        when lower({{ text }}) in ('infinity', '-infinity') then lower({{ text }})
    {%- if base == 'date' %}
        when {{ text }} like '+292269055-%' then '-infinity'
    {%- if op %}
        when {{ cdc_uncertain(text, op) }} then replace({{ text }}, 'Z', '') || ' (uncertain)'
    {%- endif %}
    {%- endif %}
        when {{ year }} > {{ 5874897 if base == 'date' else 294276 }} then 'infinity'
        when {{ year }} < -4713 then '-infinity'
        when {{ year }} is not null then {{ cdc_as_postgres(text, year, base) }}
    {%- endif %}
        else {{ '(' ~ text ~ ')' if text.strip().startswith('case') else text }}
    end
{%- endmacro %}


{#- A day or time of an uncommon year as Postgres prints it: -0043-03-15T12:00:00.500000Z is 0044-03-15 12:00:00.5 BC. -#}
{% macro cdc_as_postgres(text, year, base) -%}
    {%- set rest = "replace(replace(regexp_replace(" ~ text ~ ", '^[+-]?[0-9]+', ''), 'T', ' '), 'Z', '')" -%}
    {%- set counted = "case when " ~ year ~ " > 0 then " ~ year ~ " else 1 - " ~ year ~ " end" -%}
case when {{ counted }} < 10000 then lpad(({{ counted }})::varchar, 4, '0') else ({{ counted }})::varchar end
            || case when {{ rest }} like '%.%' then rtrim(rtrim({{ rest }}, '0'), '.') else {{ rest }} end
            || '{{ '+00' if base == 'timestamptz' }}' || case when {{ year }} > 0 then '' else ' BC' end
{%- endmacro %}


{#-
  Columns whose large values Postgres keeps apart (TOAST) and leaves out of a change that does not touch them. numeric
  could be so only with thousands of digits.
-#}
{% macro cdc_can_be_unavailable(kind) -%}
    {%- set long_char = kind.startswith('char(') and kind[5:-1] | int > 500 -%}
    {{ return(kind.endswith('[]') or kind in ('text', 'json', 'jsonb', 'bytea') or kind.startswith('varchar') or long_char) }}
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
