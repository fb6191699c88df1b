{#- Movements summed by what they are: the parts of a month's MRR. Losses are negative. -#}
{% macro mrr_parts(prefix='') -%}
    {%- for part in ['new_business', 'expansion', 'contraction', 'churn', 'reactivation'] %}
        sum(iff({{ prefix }}movement_type = '{{ part }}', {{ prefix }}mrr_movement_cents, 0)) as {{ part }}_cents,
    {%- endfor %}
        sum({{ prefix }}mrr_movement_cents) as net_change_cents
{%- endmacro %}


{#- Invoices that count: not disabled, and without errors that keep ChartMogul from using them. -#}
{% macro counts(prefix='') -%}
not coalesce({{ prefix }}is_disabled, false) and coalesce({{ prefix }}errors::varchar, '{}') in ('{}', '[]')
{%- endmacro %}
