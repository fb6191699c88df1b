{#-
  A sentence for each tab that has rows of `query` (sheet_id, sheet_tab, sheet_row, wrong): where, what, whom to ask. dbt
  itself only says how many rows a test found.
-#}
{% macro warn_of_rows(query, stream, what, cure) -%}
{%- if execute and flags.WHICH in ('build', 'test') -%}
    {%- set owner = graph.sources['source.' ~ project_name ~ '.google_sheets.' ~ stream].config.meta.owner -%}
    {%- set tabs = {} -%}
    {%- for row in run_query(query ~ '\norder by sheet_row') -%}
        {%- do tabs.setdefault((row[0], row[1]), []).append('row ' ~ row[2] ~ ': ' ~ row[3]) -%}
    {%- endfor -%}
    {%- for (sheet, tab), rows in tabs.items() -%}
        {%- do exceptions.warn(
            'The tab "' ~ tab ~ '" of https://docs.google.com/spreadsheets/d/' ~ sheet ~ ': ' ~ what ~ ' ('
            ~ rows[:20] | join('; ') ~ ('; and ' ~ (rows | length - 20) ~ ' more' if rows | length > 20 else '')
            ~ '). Ask its owner, the team ' ~ owner ~ ', to ' ~ cure ~ '.'
        ) -%}
    {%- endfor -%}
{%- endif -%}
{%- endmacro %}
