{#- The versions of a key follow one another: none begins before the one before it ends, and one at most is open. -#}
{% test versions_do_not_overlap(model, key) %}
select *
from (
    select
        {{ key | join(', ') }},
        valid_from,
        valid_to,
        lag(valid_to) over (partition by {{ key | join(', ') }} order by _order) as ended_before,
        row_number() over (partition by {{ key | join(', ') }} order by _order) as version
    from {{ cdc_rows_of_touched_keys(model, key) }} as tested
) as versions
where valid_to < valid_from or valid_from < ended_before or (version > 1 and ended_before is null)
{% endtest %}
