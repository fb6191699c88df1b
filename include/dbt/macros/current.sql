{#-
  What is current among the raw rows of a stream. Every staging model starts with one of the three macros below; which
  one follows from how the stream is read (`read` in plugins/catchment/sources). Each is a query that gives one row for
  each living key, with RECORD_CONTENT, RECORD_METADATA, BATCH_ID, EXTRACTED_AT and LOADED_AT, and no row at all when
  nothing was loaded yet.

  `key` and `version` are names of fields of the record; `parent.x` is the field x of the record's parent.
  The ledger says which batches count: rows and ledger rows are written in one transaction, so the two always agree.
-#}


{#-
  Lists that are read whole: the rows of the list that speaks of the latest moment (the ledger's AS_OF). Whatever is
  absent from it is deleted. A list that is dated up to its batch's end speaks of that end, and a child's list of the
  moment of its parents' list, so reading an old interval again never hides what came after.
-#}
{% macro current_snapshot(source_name, stream, key) -%}
with batches as (
    select coalesce(same_as, batch_id) as held_by, extracted_at
    from {{ source('catchment', 'ledger') }}
    where source = '{{ source_name }}' and stream = '{{ stream }}' and coalesce(complete, true)
    qualify row_number() over (
        order by coalesce(as_of, extracted_at) desc, extracted_at desc, loaded_at desc, batch_id desc
    ) = 1
)

select
    raw_rows.record_content,
    raw_rows.record_metadata,
    raw_rows.batch_id,
    raw_rows.loaded_at,
    batches.extracted_at
from {{ source(source_name, stream) }} as raw_rows
inner join batches on raw_rows.batch_id = batches.held_by
{{ one_row_per(key) }}
{%- endmacro %}


{#-
  Lists that are re-read window by window, because the vendor recomputes history: a row at time t counts only when its
  batch is the newest of those whose window holds t, so a row that is gone from a re-read window is deleted. Time is cut
  at the bounds of all windows; between two cuts the newest batch is the same everywhere.
-#}
{% macro current_window(source_name, stream, key, at, version=none) -%}
with batches as (
    select
        batch_id,
        coalesce(same_as, batch_id) as held_by,
        window_from,
        window_to,
        coalesce(as_of, extracted_at) as as_of,
        extracted_at,
        loaded_at
    from {{ source('catchment', 'ledger') }}
    where source = '{{ source_name }}' and stream = '{{ stream }}' and window_from < window_to
),

cuts as (
    select window_from as cut_at from batches
    union distinct
    select window_to as cut_at from batches
),

segments as (
    select
        cut_at as segment_from,
        lead(cut_at) over (order by cut_at) as segment_to
    from cuts
),

winners as (
    select
        segments.segment_from,
        segments.segment_to,
        batches.held_by,
        batches.extracted_at
    from segments
    inner join batches
        on segments.segment_from >= batches.window_from and segments.segment_to <= batches.window_to
    qualify row_number() over (
        partition by segments.segment_from
        order by batches.as_of desc, batches.extracted_at desc, batches.loaded_at desc, batches.batch_id desc
    ) = 1
),

timed_rows as (
    select
        record_content,
        record_metadata,
        batch_id,
        loaded_at,
        {{ moment(at) }} as happened_at
    from {{ source(source_name, stream) }}
)

select
    raw_rows.record_content,
    raw_rows.record_metadata,
    raw_rows.batch_id,
    raw_rows.loaded_at,
    winners.extracted_at
from timed_rows as raw_rows
inner join winners
    on
        raw_rows.batch_id = winners.held_by
        and raw_rows.happened_at >= winners.segment_from
        and raw_rows.happened_at < winners.segment_to
{{ one_row_per(key, version) }}
{%- endmacro %}


{#-
  Exports that only ever add: the newest version of each key over all batches. A row says itself when the vendor was
  asked for it: a batch that is read again keeps older rows beside the newer ones.
-#}
{% macro newest_version(source_name, stream, key, version=none) -%}
with batches as (
    select batch_id, extracted_at as batch_extracted_at
    from {{ source('catchment', 'ledger') }}
    where source = '{{ source_name }}' and stream = '{{ stream }}'
)

select
    raw_rows.record_content,
    raw_rows.record_metadata,
    raw_rows.batch_id,
    raw_rows.loaded_at,
    coalesce({{ moment_in('raw_rows.record_metadata:"extracted_at"') }}, batches.batch_extracted_at) as extracted_at
from {{ source(source_name, stream) }} as raw_rows
inner join batches on raw_rows.batch_id = batches.batch_id
{{ one_row_per(key, version) }}
{%- endmacro %}


{#-
  Of several raw rows with one key, the last: by version (a Unix time or an ISO one), then by when its batch was
  extracted, then by where it lies in the batch (`part-10` comes after `part-9`, hence the length).
-#}
{% macro one_row_per(key, version=none) -%}
qualify row_number() over (
    partition by
    {%- for field in key %}
        {{ path(field, 'raw_rows.') }}::varchar{{ ',' if not loop.last }}
    {%- endfor %}
    order by
    {%- if version %}
        try_cast({{ path(version, 'raw_rows.') }}::varchar as number(38, 0)) desc nulls last,
        {{ moment(version, 'raw_rows.') }} desc nulls last,
    {%- endif %}
        extracted_at desc,
        length(raw_rows.record_metadata:"file"::varchar) desc,
        raw_rows.record_metadata:"file"::varchar desc,
        try_cast(raw_rows.record_metadata:"row"::varchar as number(38, 0)) desc
) = 1
{%- endmacro %}
