{#-
  One field of a raw record, typed. A JSON null and an absent field are both NULL, and so is a value that is not of the
  wished type (a string where a number was): the record stays as it came in the raw table, and the tests of the model say
  when a field that must be there is NULL. Names are the vendor's own (`customer-since`); dots go into objects.
-#}
{% macro path(field, prefix='') -%}
    {%- set steps = field.split('.') -%}
    {%- if steps[0] == 'parent' -%}
        {{ prefix }}record_metadata:"{{ steps | join('"."') }}"
    {%- else -%}
        {{ prefix }}record_content:"{{ steps | join('"."') }}"
    {%- endif -%}
{%- endmacro %}


{% macro text(field) -%}
{{ path(field) }}::varchar
{%- endmacro %}


{#- Ids, counts and cents. 3000.0 is 3000. -#}
{% macro integer(field) -%}
try_cast({{ path(field) }}::varchar as number(38, 0))
{%- endmacro %}


{% macro decimal(field, scale=4) -%}
try_cast({{ path(field) }}::varchar as number(38, {{ scale }}))
{%- endmacro %}


{% macro flag(field) -%}
try_cast({{ path(field) }}::varchar as boolean)
{%- endmacro %}


{#- A moment that is written with an offset or a Z, as UTC. -#}
{% macro moment(field, prefix='') -%}
{{ moment_in(path(field, prefix)) }}
{%- endmacro %}


{% macro moment_in(expression) -%}
convert_timezone('UTC', try_cast({{ expression }}::varchar as timestamp_tz))::timestamp_ntz
{%- endmacro %}


{#- A moment that is written without an offset and is meant as UTC. -#}
{% macro utc_moment(field) -%}
try_cast({{ path(field) }}::varchar as timestamp_ntz)
{%- endmacro %}


{#- A date, or the date that a moment begins with as the vendor wrote it. -#}
{% macro day(field) -%}
try_cast(left({{ path(field) }}::varchar, 10) as date)
{%- endmacro %}


{#- An object or a list as it is. -#}
{% macro json(field) -%}
strip_null_value({{ path(field) }})
{%- endmacro %}
