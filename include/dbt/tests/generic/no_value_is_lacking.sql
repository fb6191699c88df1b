{#- Every value of a living row was told. If not: README.md, "The application's tables", says what to do. -#}
{% test no_value_is_lacking(model, living) %}
select *
from {{ model }}
where _unresolved is not null and {{ living }}
{% endtest %}
