{{ config(materialized="view") }}
select
    record_content:id::number as id,
    record_content:customer::varchar as customer,
    record_content:cents::number(38, 0) as cents,
    to_timestamp_ntz(record_content:ordered_at::varchar) as ordered_at,
    loaded_at
from {{ source("raw", "orders") }}
qualify row_number() over (partition by record_content:id::number order by loaded_at desc) = 1
