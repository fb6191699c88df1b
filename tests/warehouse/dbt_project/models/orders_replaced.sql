{{ config(materialized="incremental", unique_key="id", incremental_strategy="delete+insert", on_schema_change="append_new_columns") }}
select id, customer, cents {% if var("more", false) %}, cents * 2 as twice {% endif %}
from {{ ref("stg_orders") }}
