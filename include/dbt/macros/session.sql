{#-
  Every session counts in UTC, whatever the account's or the user's default is (Snowflake's is Los Angeles): a text without
  an offset, `current_timestamp` and dates of local times depend on it. dbt's Snowflake profile has no field for the time
  zone, and each thread has a session of its own; this macro is the one that dbt calls in the session that runs a model or
  a data test, before it runs. A model's own `query_tag` is set as dbt would.
-#}
{% macro set_query_tag() -%}
    {%- do run_query("alter session set timezone = 'UTC'") -%}
    {{ return(adapter.dispatch('set_query_tag', 'dbt')()) }}
{%- endmacro %}
