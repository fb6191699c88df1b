{#- The segment of an MRR, where nobody wrote another one by hand. -#}
{% macro segment_by_mrr(cents) -%}
case
        when {{ cents }} >= {{ var('segment_enterprise_from_cents') }} then 'enterprise'
        when {{ cents }} >= {{ var('segment_mid_market_from_cents') }} then 'mid_market'
        else 'small'
    end
{%- endmacro %}


{#- The sales team's region of a country. -#}
{% macro region(country) -%}
case
        when {{ country }} in ({{ quoted(var('americas')) }}) then 'americas'
        when {{ country }} in ({{ quoted(var('apac')) }}) then 'apac'
        when {{ country }} is not null then 'emea'
    end
{%- endmacro %}
