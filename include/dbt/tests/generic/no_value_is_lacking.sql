{#- Every value of a living row of the last batch was told. If not: README.md, "The application's tables", says what to do. -#}
{% test no_value_is_lacking(model, living) %}
select *
from {{ model }} as tested
where _unresolved is not null and {{ living }} and {{ cdc_touched(model, 'tested') }}
{% endtest %}
