{#-
  Cells that people typed into a sheet, read by one table of accepted forms: docs/sheets.md. A cell is read whole or not at
  all: what is in no row of the table is NULL, and `_not_read` says what was typed. Nothing is an error: a typing mistake
  must not stop a run. docs/adr/0021 says why a cell's own value is used where the sheet gives one.

  A staging model names its fields once:

      with current_rows as ({{ current_snapshot(...) }}),
      {{ cells_as_typed({'month': 'month', 'team': ('name', ['emea', 'apac'])}, key=['month', 'team']) }}
      select month, team, {{ where_typed() }} from typed

  A kind is one of text, name, number, day, month, moment and yes_no. A name may have the list of those that exist, a number
  its count of decimals.
  Of several rows with one key the lowest on the sheet counts; rows whose key is not read are all kept.
-#}
{% macro cells_as_typed(fields, key) -%}
{%- set kinds = {} -%}
{%- for field, kind in fields.items() -%}
    {%- do kinds.update({field: [kind, none] if kind is string else kind}) -%}
{%- endfor -%}
cells as (
    select
        batch_id,
        extracted_at,
        {{ path('parent.spreadsheet_id') }}::varchar as sheet_id,
        {{ path('parent.tab') }}::varchar as sheet_tab,
        try_cast({{ path('parent.row') }}::varchar as number(38, 0)) as sheet_row,
        {{ path('parent.locale') }}::varchar as _locale,
        split_part({{ path('parent.locale') }}::varchar, '_', 1) as _language,
        {{ path('parent.time_zone') }}::varchar as _time_zone
        {%- for field in fields %},
        {{ without_invisible(text(field)) }} as {{ field }}__shown,
        {{ path('parent.cells.' ~ field ~ '.number') }}::varchar as {{ field }}__number,
        {{ path('parent.cells.' ~ field ~ '.bool') }}::varchar as {{ field }}__bool,
        coalesce({{ path('parent.cells.' ~ field ~ '.format') }}::varchar, 'NUMBER') as {{ field }}__format,
        coalesce(
            {{ path('parent.cells.' ~ field ~ '.error') }} is not null
            or regexp_like({{ field }}__shown, '#[^ ]+ ?[!?]|#./.|#NV|#YOK|Err:[0-9]{3}|Loading[.]{3}'),
            false
        ) as {{ field }}__is_error,
        {{ field }}__number is null and {{ field }}__bool is null as {{ field }}__is_text
        {%- endfor %}
    from current_rows
),

{# A number without its sign's spelling and its currency, and a day with one separator: the next step matches each once. #}
bare as (
    select
        *,
        {{ decimal_point() }} as _decimal_point,
        {{ day_order() }} as _day_order
        {%- for field, (kind, _) in kinds.items() %}
        {%- if kind == 'number' %},
        {{ without_currency(field ~ '__shown') }} as {{ field }}__bare,
        regexp_replace({{ field }}__bare, ' *%$', '') as {{ field }}__digits
        {%- elif kind in ('day', 'month') %},
        translate({{ field }}__shown, '/.', '--') as {{ field }}__dashed
        {%- endif %}
        {%- endfor %}
    from cells
),

readings as (
    select
        *
        {%- for field, (kind, option) in kinds.items() %},
        iff({{ field }}__is_error, null, {{ cell_as(field, kind, option) }}) as {{ field }}
        {%- endfor %}
    from bare
),

typed as (
    select
        *,
        nullif(substr(
            {%- for field in fields %}
            iff({{ field }} is null and {{ field }}__shown is not null, '; {{ field }}: ' || {{ field }}__shown, '')
            {{- ' ||' if not loop.last }}
            {%- endfor %},
            3
        ), '') as _not_read
    from readings
    qualify row_number() over (
        partition by {{ key | join(', ') }}, iff({{ key | join(' is null or ') }} is null, sheet_row, null)
        order by sheet_row desc
    ) = 1
)
{%- endmacro %}


{#- Where a row stands, for the person who corrects it, and what of it was not read. -#}
{% macro where_typed() -%}
sheet_id,
    sheet_tab,
    sheet_row,
    _not_read,
    batch_id,
    extracted_at
{%- endmacro %}


{% macro cell_as(field, kind, option) -%}
{%- if kind == 'text' -%} {{ cell_as_text(field) }}
{%- elif kind == 'name' and option -%} iff({{ cell_as_name(field) }} in ({{ quoted(option) }}), {{ cell_as_name(field) }}, null)
{%- elif kind == 'name' -%} {{ cell_as_name(field) }}
{%- elif kind == 'number' -%} {{ cell_as_number(field, option or 2) }}
{%- elif kind == 'day' -%} {{ cell_as_day(field) }}
{%- elif kind == 'month' -%} {{ cell_as_month(field) }}
{%- elif kind == 'moment' -%} {{ cell_as_moment(field) }}
{%- elif kind == 'yes_no' -%} {{ cell_as_yes_no(field) }}
{%- else -%} {{ exceptions.raise_compiler_error("cells_as_typed: the field " ~ field ~ " has the unknown kind " ~ kind) }}
{%- endif -%}
{%- endmacro %}


{#-
  Text. A number counts where just its digits are shown: a sheet that groups or rounds `12345`, or has made a day of `3-4`,
  does not show what was typed, nor does it keep more than fifteen digits.
-#}
{% macro cell_as_text(field) -%}
case
            when {{ field }}__is_text then {{ field }}__shown
            when
                regexp_like({{ field }}__shown, '-?[0-9]+([.,][0-9]+)?')
                and try_cast(replace({{ field }}__shown, ',', '.') as number(38, 9)) = try_cast({{ field }}__number as number(38, 9))
                and abs(try_cast({{ field }}__number as number(38, 0))) < 1000000000000000
                then {{ field }}__shown
        end
{%- endmacro %}


{#- Names of teams, metrics and segments: `Mid-Market ` and `mid_market` are the same. -#}
{% macro cell_as_name(field) -%}
iff({{ field }}__is_text, lower(regexp_replace({{ field }}__shown, '[ -]+', '_')), null)
{%- endmacro %}


{#-
  The cell's own number, whatever its format shows. Of text, a plain decimal or one with whole groups of three; where one
  separator could be either (`1,234`), the sheet's locale must say that it groups. A percentage is a hundredth.
-#}
{% macro cell_as_number(field, scale) -%}
{%- set digits = field ~ '__digits' -%}
case
            when {{ field }}__number is not null then iff(
                {{ field }}__format in ('NUMBER', 'PERCENT', 'CURRENCY', 'SCIENTIFIC', 'TEXT'),
                try_cast({{ field }}__number as number(38, {{ scale }})), null
            )
            when not {{ field }}__is_text then null
            else try_cast(case
                when regexp_like({{ digits }}, '[-+]?[0-9]+(E[-+]?[0-9]+)?') then {{ digits }}
                when regexp_like({{ digits }}, '[-+]?[0-9]{1,3}((,[0-9]{3})+|( [0-9]{3})+|(''[0-9]{3})+)[.][0-9]+')
                    then translate({{ digits }}, ', ''', '')
                when regexp_like({{ digits }}, '[-+]?[0-9]{1,3}(([.][0-9]{3})+|( [0-9]{3})+|(''[0-9]{3})+),[0-9]+')
                    then translate({{ digits }}, ',. ''', '.')
                when regexp_like(
                    {{ digits }}, '[-+]?[0-9]{1,3}((,[0-9]{3}){2,}|([.][0-9]{3}){2,}|( [0-9]{3})+|(''[0-9]{3})+)'
                )
                    then translate({{ digits }}, ',. ''', '')
                when regexp_like({{ digits }}, '[-+]?[1-9][0-9]{0,2},[0-9]{3}')
                    then iff(_decimal_point = '.', replace({{ digits }}, ',', ''), null)
                when regexp_like({{ digits }}, '[-+]?[1-9][0-9]{0,2}[.][0-9]{3}')
                    then iff(_decimal_point = ',', replace({{ digits }}, '.', ''), null)
                when regexp_like({{ digits }}, '[-+]?[0-9]*[.,][0-9]+(E[-+]?[0-9]+)?') then replace({{ digits }}, ',', '.')
            end || iff(right({{ field }}__bare, 1) = '%', 'E-2', '') as number(38, {{ scale }}))
        end
{%- endmacro %}


{#- A day: the cell's own, or text as year, month, day; as day.month.year; or with slashes in the order of the locale. -#}
{% macro cell_as_day(field) -%}
{%- set dashed = field ~ '__dashed' -%}
{%- set first, second, third = "split_part(" ~ dashed ~ ", '-', 1)", "split_part(" ~ dashed ~ ", '-', 2)", "split_part(" ~ dashed ~ ", '-', 3)" -%}
case
            when {{ field }}__number is not null then {{ day_of_serial(field) }}
            when not {{ field }}__is_text then null
            when regexp_like({{ dashed }}, '[12][0-9]{3}-[0-9]{1,2}-[0-9]{1,2}')
                then {{ day_of_parts(first, second, third) }}
            when not regexp_like({{ dashed }}, '[0-9]{1,2}-[0-9]{1,2}-[12][0-9]{3}') then null
            when regexp_like({{ field }}__shown, '[0-9]+[.][0-9]+[.][0-9]+') or {{ first }} = {{ second }}
                then {{ day_of_parts(third, second, first) }}
            when
                try_cast({{ first }} as number(2, 0)) > 12
                or (_day_order = 'day first' and try_cast({{ second }} as number(2, 0)) <= 12)
                then {{ day_of_parts(third, second, first) }}
            when try_cast({{ second }} as number(2, 0)) > 12 or _day_order = 'month first'
                then {{ day_of_parts(third, first, second) }}
        end
{%- endmacro %}


{#-
  A month, as its first day: of a day, or `2026-03`, `2026/03`, `03/2026`, `3.2026`. Of `Mar 27` a sheet makes the 27th of
  March of the year in which it was typed: such a day counts only where the year is shown.
-#}
{% macro cell_as_month(field) -%}
{%- set dashed = field ~ '__dashed' -%}
{%- set first, second = "split_part(" ~ dashed ~ ", '-', 1)", "split_part(" ~ dashed ~ ", '-', 2)" -%}
case
            when {{ field }}__is_text and regexp_like({{ dashed }}, '[12][0-9]{3}-[0-9]{1,2}')
                then {{ day_of_parts(first, second, "'1'") }}
            when {{ field }}__is_text and regexp_like({{ dashed }}, '[0-9]{1,2}-[12][0-9]{3}')
                then {{ day_of_parts(second, first, "'1'") }}
            when
                {{ field }}__is_text
                or regexp_like({{ field }}__shown, '(.*[^0-9])?[12][0-9]{3}([^0-9].*)?')
                or date_trunc('month', {{ cell_as_day(field) }})::date = {{ cell_as_day(field) }}
                then date_trunc('month', {{ cell_as_day(field) }})::date
        end
{%- endmacro %}


{#- A moment in UTC: the cell's own in the sheet's time zone, or ISO 8601 text, whose offset counts where it has one. -#}
{% macro cell_as_moment(field) -%}
{%- set clock = "'[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2})?" -%}
case
            when {{ field }}__number is not null then {{ in_utc("dateadd(
                second,
                round((try_cast(" ~ field ~ "__number as number(38, 9)) - floor(try_cast(" ~ field ~ "__number as number(38, 9)))) * 86400)::number(38, 0),
                " ~ day_of_serial(field) ~ "::timestamp_ntz
            )") }}
            when not {{ field }}__is_text then null
            when regexp_like({{ field }}__shown, {{ clock }}(Z|[+-][0-9]{2}:[0-9]{2})')
                then convert_timezone('UTC', try_cast({{ field }}__shown as timestamp_tz))::timestamp_ntz
            when regexp_like({{ field }}__shown, {{ clock }}')
                then {{ in_utc("try_cast(" ~ field ~ "__shown as timestamp_ntz)") }}
        end
{%- endmacro %}


{#- A checkbox, or a word for it. 1 and 0 are numbers. -#}
{% macro cell_as_yes_no(field) -%}
case
            when {{ field }}__bool is not null then {{ field }}__bool = 'true'
            when not {{ field }}__is_text then null
            when lower({{ field }}__shown) in ('true', 'yes') then true
            when lower({{ field }}__shown) in ('false', 'no') then false
        end
{%- endmacro %}


{#- Days count from 30 December 1899; a sheet imported from a file that counts from 1904 was converted then. -#}
{% macro day_of_serial(field) -%}
iff(
                {{ field }}__format in ('DATE', 'DATE_TIME'),
                dateadd(day, floor(try_cast({{ field }}__number as number(38, 9)))::number(38, 0), '1899-12-30'::date),
                null
            )::date
{%- endmacro %}


{% macro day_of_parts(year, month, day) -%}
try_cast({{ year }} || '-' || lpad({{ month }}, 2, '0') || '-' || lpad({{ day }}, 2, '0') as date)
{%- endmacro %}


{#- A sheet's zone may be none that the warehouse knows (`GMT-07:00`, `Etc/Unknown`): its moments are not read. -#}
{% macro in_utc(moment) -%}
{%- set areas = '(Africa|America|Antarctica|Arctic|Asia|Atlantic|Australia|Europe|Indian|Pacific)' -%}
{%- set known = "regexp_like(_time_zone, '" ~ areas ~ "(/[A-Za-z_-]+)+|Etc/(UTC|GMT([+-][0-9]+)?)')" -%}
iff(
                {{ known }},
                convert_timezone(iff({{ known }}, _time_zone, 'UTC'), 'UTC', {{ moment }}),
                null
            )
{%- endmacro %}


{#-
  Text as it is compared: any space is U+0020, what can't be seen is gone, none is at the ends. Joiners (U+200C, U+200D) stay
  inside, where they make one sign of several. Snowflake's TRIM takes only U+0020, so every character is named, in decimal. NULL if
  empty.
-#}
{% macro without_invisible(value) -%}
{%- set spaces = [
    9, 10, 11, 12, 13, 133, 160, 5760, 8192, 8193, 8194, 8195, 8196, 8197, 8198, 8199, 8200, 8201, 8202, 8232, 8233, 8239, 8287, 12288
] -%}
{%- set invisible = [
    173, 1564, 6158, 8203, 8206, 8207, 8234, 8235, 8236, 8237, 8238, 8288, 8289, 8290, 8291, 8292, 8294, 8295, 8296, 8297, 8298, 8299,
    8300, 8301, 8302, 8303, 65279
] -%}
nullif(trim(
            translate({{ value }}, {{ characters(spaces + invisible) }}, '{{ " " * (spaces | length) }}'),
            ' ' || {{ characters([8204, 8205]) }}
        ), '')
{%- endmacro %}


{#- Written as code points: a driver or an editor may change such characters themselves. -#}
{% macro characters(points) -%}
chr({{ points | join(') || chr(') }})
{%- endmacro %}


{#-
  `(€ 1)`, `−€1`, `€ -1` and `-1 EUR` as `-1`. Only the amount is read: that an account counts in one currency is the sheet's
  owner's to know. U+2212 and U+2013 are minus signs, U+2019 is an apostrophe.
-#}
{% macro without_currency(value) -%}
{%- set currency = "(EUR|USD|GBP|CHF|JPY|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|TRY|BRL|MXN|ZAR|SGD|HKD|KRW|R[$]|US[$]|KR[.]?|ZŁ|KČ|FT|€|£|¥|￥|₹|₩|₺|₽|₪|[$])" -%}
{%- set amount = "([0-9][0-9., '']*[0-9]|[0-9])" -%}
regexp_replace(
            regexp_replace(
                regexp_replace(translate(upper({{ value }}), '−–’', '--'''), '^[(] *([^-+()]*[^-+() ]) *[)]$', '-\\1'),
                '^([-+]?) *{{ currency }} *([-+]?) *{{ amount }}$', '\\1\\3\\4'
            ),
            '^([-+]?) *{{ amount }} *{{ currency }}$', '\\1\\2'
        )
{%- endmacro %}


{#-
  Locales by CLDR. One that is in no list says nothing: what its separators or its order of days would decide is not read.
  English is named country by country, for it follows the customs of each.
-#}
{% macro decimal_point() -%}
case
            when _locale in ({{ quoted([
                'en', 'en_US', 'en_GB', 'en_AU', 'en_CA', 'en_HK', 'en_IE', 'en_IN', 'en_NZ', 'en_PH', 'en_SG',
                'de_CH', 'de_LI', 'it_CH', 'es_BR', 'es_BZ', 'es_CU', 'es_DO', 'es_GT', 'es_HN', 'es_MX', 'es_NI', 'es_PA', 'es_PE',
                'es_PR', 'es_SV', 'es_US'
            ]) }}) then '.'
            when _language in ('ja', 'ko', 'zh', 'he', 'th', 'hi', 'bn', 'ga', 'cy', 'fil', 'mn') then '.'
            when _language in ({{ quoted([
                'de', 'fr', 'es', 'it', 'pt', 'nl', 'sv', 'da', 'nb', 'nn', 'no', 'fi', 'pl', 'cs', 'sk', 'hu', 'ro', 'bg', 'el', 'tr',
                'ru', 'uk', 'be', 'vi', 'id', 'lt', 'lv', 'et', 'sl', 'hr', 'sr', 'ca', 'eu', 'gl', 'is', 'ka', 'kk', 'hy', 'az'
            ]) }}) then ','
        end
{%- endmacro %}


{% macro day_order() -%}
case
            when _locale in ('en', 'en_US', 'en_PH', 'fil', 'fil_PH', 'es_PR', 'es_PA') then 'month first'
            when _locale = 'fr_CA' then null
            when _locale in ('en_GB', 'en_AU', 'en_HK', 'en_IE', 'en_IN', 'en_NZ', 'en_SG') then 'day first'
            when _language in ({{ quoted([
                'de', 'fr', 'es', 'it', 'pt', 'nl', 'da', 'nb', 'nn', 'no', 'fi', 'pl', 'cs', 'sk', 'ro', 'bg', 'el', 'tr', 'ru', 'uk',
                'be', 'vi', 'id', 'lv', 'et', 'sl', 'hr', 'sr', 'ca', 'gl', 'is', 'ka', 'kk', 'hy', 'az', 'he', 'th', 'hi', 'bn', 'ga',
                'cy'
            ]) }}) then 'day first'
        end
{%- endmacro %}
