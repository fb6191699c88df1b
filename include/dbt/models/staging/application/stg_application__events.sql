{#- Written from include/connectors by `python -m catchment dbt-sources`; do not edit. -#}
{{ config(
    materialized='incremental',
    incremental_strategy='cdc_current',
    tmp_relation_type='table',
    on_schema_change='append_new_columns',
    meta={'table': 'application.events'},
    post_hook="{{ cdc_advance('application.events') }}",
) }}
{{ current_state('application.events') }}
