{{ config(materialized="table") }}
select customer, sum(cents) as cents, count(*) as orders, max(ordered_at) as last_ordered_at
from {{ ref("stg_orders") }}
group by 1
