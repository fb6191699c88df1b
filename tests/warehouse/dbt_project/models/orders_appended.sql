{{ config(materialized="incremental", incremental_strategy="append", transient=false, cluster_by=["id"]) }}
select id, cents from {{ ref("stg_orders") }}
{% if is_incremental() %} where id not in (select id from {{ this }}) {% endif %}
