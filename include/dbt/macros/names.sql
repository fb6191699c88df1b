{#- Production's schemas are named exactly STAGING, INTERMEDIATE and MARTS; anyone else's carry a prefix. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {%- set name = (custom_schema_name or target.schema) | trim | upper -%}
    {%- if target.name == 'production' or not custom_schema_name -%}
        {{ name }}
    {%- else -%}
        {{ target.schema | upper }}_{{ name }}
    {%- endif -%}
{%- endmacro %}


{#- What the warehouse's query history says of a statement. -#}
{% macro query_comment(node) -%}
    {{ tojson({'app': 'dbt', 'project': project_name, 'node': node.unique_id if node else none, 'run': invocation_id}) }}
{%- endmacro %}


{#- A list of names as SQL strings. -#}
{% macro quoted(names) -%}
'{{ names | join("', '") }}'
{%- endmacro %}
