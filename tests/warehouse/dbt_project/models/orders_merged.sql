{{ config(materialized="incremental", unique_key="id", incremental_strategy="merge") }}
select id, customer, cents, loaded_at
from {{ ref("stg_orders") }}
{% if is_incremental() %} where loaded_at > (select max(loaded_at) from {{ this }}) {% endif %}
