{#-
  Which raw rows a run reads: for each (topic, partition) the offsets from the model's watermark up to the newest that
  raw holds when the run begins. They are written into the SQL as numbers, so that the warehouse skips what is older,
  and stand in its first line, from which `cdc_advance` takes them when all is merged.

  Watermarks are Kafka offsets and never times or log positions: transactions commit in another order than they write.
-#}


{#-
  The batch of this run: {full, ranges: [{shard, topic, partition, from, until, was, epochs}], truncates}. `was` is the
  watermark that was found (none if there was none), `until` is exclusive, `epochs` are pairs (from offset, epoch).
  Nothing is asked of the warehouse while the project is parsed, compiled or tested: then it is all there is.
-#}
{% macro cdc_batch(table, full=false) -%}
    {%- set everything = {'full': true, 'ranges': none, 'truncates': 1} -%}
    {%- if not execute or not flags.INTROSPECT or flags.WHICH not in ('run', 'build') or model.resource_type != 'model' -%}
        {{ return(everything) }}
    {%- endif -%}
    {%- set full = full or not cdc_is_incremental() -%}
    {%- set marks = run_query(cdc_watermarks_query()) -%}
    {%- set found = run_query(cdc_extent_query(table, marks, full)) -%}
    {%- set epochs = run_query(cdc_epochs_query(table)) -%}
    {%- set batch = {'full': full, 'ranges': [], 'truncates': 0} -%}
    {%- for shard, partition, until, truncates in found.rows -%}
        {%- set topic = cdc_topic(shard, table) -%}
        {%- set was = namespace(offset=none) -%}
        {%- for mark in marks.rows if mark[0] == topic and mark[1] | int == partition | int -%}
            {%- set was.offset = mark[2] | int -%}
        {%- endfor -%}
        {%- set started = [] -%}
        {%- for epoch in epochs.rows if epoch[0] == topic and epoch[1] | int == partition | int -%}
            {%- do started.append([epoch[2] | int, epoch[3] | int]) -%}
        {%- endfor -%}
        {%- do batch.update({'truncates': batch.truncates + truncates | int}) -%}
        {%- do batch.ranges.append({
            'shard': shard, 'topic': topic, 'partition': partition | int, 'from': 0 if full else (was.offset or 0),
            'until': until | int, 'was': was.offset, 'epochs': started,
        }) -%}
    {%- endfor -%}
    {{ return(batch) }}
{%- endmacro %}


{#- Offline, and in unit tests, there is no table to add to. -#}
{% macro cdc_is_incremental() -%}
    {{ return(flags.INTROSPECT and model.resource_type == 'model' and is_incremental()) }}
{%- endmacro %}


{% macro cdc_topic(shard, table) -%}
    {{ return(shard ~ '.' ~ declared_tables()[table].schema ~ '.' ~ declared_tables()[table].name) }}
{%- endmacro %}


{% macro cdc_raw(shard, table) -%}
    {{ return(source(declared_tables()[table].source, shard ~ '_' ~ declared_tables()[table].name)) }}
{%- endmacro %}


{#-
  Whose watermarks: the relation's, `analytics.staging.stg_application__customers`. They must be kept as the rows are: a
  developer's table or CI's has watermarks of its own, and moves nobody else's.
-#}
{% macro cdc_watermark_key() -%}
    {{ return((this.database ~ '.' ~ this.schema ~ '.' ~ this.identifier) | lower) }}
{%- endmacro %}


{% macro cdc_watermarks_query() -%}
select topic, kafka_partition, next_offset
from {{ source('catchment', 'watermarks') }}
where model = '{{ cdc_watermark_key() }}'
order by topic, kafka_partition
{%- endmacro %}


{% macro cdc_epochs_query(table) -%}
select topic, kafka_partition, from_offset, epoch
from {{ source('catchment', 'epochs') }}
where topic in (
    {%- for shard in declared_tables()[table].shards %}'{{ cdc_topic(shard, table) }}'{{ ', ' if not loop.last }}{% endfor -%}
)
order by epoch, from_offset
{%- endmacro %}


{#- How far raw goes, and how many truncations are new: (shard, partition, until, truncates) where there is news. -#}
{% macro cdc_extent_query(table, marks, full) -%}
select shard, kafka_partition, max(until_offset), sum(truncates)
from (
    {%- for shard in declared_tables()[table].shards -%}
        {%- set raw = cdc_raw(shard, table) -%}
        {%- set known = {} -%}
        {%- for mark in marks.rows if mark[0] == cdc_topic(shard, table) and not full -%}
            {%- do known.update({mark[1] | int: mark[2] | int}) -%}
        {%- endfor -%}
        {%- set first_unknown = (known.keys() | max + 1) if known else 0 -%}
        {%- for partition in range(first_unknown) %}
{{ cdc_extent(shard, raw, 'kafka_partition', 'kafka_offset', '= ' ~ partition, known.get(partition, 0)) }}
union all
{{ cdc_extent(shard, raw, 'record_metadata:"partition"::number(38, 0)', 'record_metadata:"offset"::number(38, 0)', '= ' ~ partition,
    known.get(partition, 0), 'kafka_partition is null and') }}
union all
        {%- endfor %}
{{ cdc_extent(shard, raw, 'kafka_partition', 'kafka_offset', '>= ' ~ first_unknown, 0) }}
union all
{{ cdc_extent(shard, raw, 'record_metadata:"partition"::number(38, 0)', 'record_metadata:"offset"::number(38, 0)', '>= ' ~ first_unknown,
    0, 'kafka_partition is null and') }}
        {{- '\nunion all' if not loop.last }}
    {%- endfor %}
) as extents
group by shard, kafka_partition
order by shard, kafka_partition
{%- endmacro %}

{% macro cdc_extent(shard, raw, partition, at, condition, since, also='') -%}
select
    '{{ shard }}' as shard,
    {{ partition }} as kafka_partition,
    max({{ at }}) + 1 as until_offset,
    count_if(record_metadata:"key" is null and record_content is not null) as truncates
from {{ raw }}
where {{ also }} {{ partition }} {{ condition }} and {{ at }} >= {{ since }}
group by {{ partition }}
{%- endmacro %}


{#- The raw rows of the batch, each with its place and epoch; one branch a partition and way of writing, so that all are pruned. -#}
{% macro cdc_raw_rows(table, batch) -%}
    {%- set branches = [] -%}
    {%- for range in (batch.ranges or []) if batch.ranges is not none -%}
        {%- set raw = cdc_raw(range.shard, table) -%}
        {%- do branches.append(cdc_branch(range.shard, raw, 'kafka_partition', 'kafka_offset',
            'kafka_partition = ' ~ range.partition ~ ' and kafka_offset >= ' ~ range.from ~ ' and kafka_offset < ' ~ range.until,
            range.epochs)) -%}
        {%- set at = 'record_metadata:"offset"::number(38, 0)' -%}
        {%- set part = 'record_metadata:"partition"::number(38, 0)' -%}
        {%- do branches.append(cdc_branch(range.shard, raw, part, at,
            'kafka_partition is null and ' ~ part ~ ' = ' ~ range.partition ~ ' and ' ~ at ~ ' >= ' ~ range.from
            ~ ' and ' ~ at ~ ' < ' ~ range.until, range.epochs)) -%}
    {%- endfor -%}
    {%- if not branches -%}
        {%- for shard in declared_tables()[table].shards -%}
            {%- do branches.append(cdc_branch(shard, cdc_raw(shard, table),
                'coalesce(kafka_partition, record_metadata:"partition"::number(38, 0))',
                'coalesce(kafka_offset, record_metadata:"offset"::number(38, 0))',
                'true' if batch.ranges is none else 'false', [])) -%}
        {%- endfor -%}
    {%- endif -%}
{{ branches | join('\n    union all\n') }}
{%- endmacro %}

{% macro cdc_branch(shard, raw, partition, at, condition, epochs) %}
    select
        '{{ shard }}' as _shard,
        {{ partition }} as _partition,
        {{ at }} as _offset,
        {% if epochs -%}
        case
            {%- for since, epoch in epochs | reverse %} when {{ at }} >= {{ since }} then {{ epoch }}{% endfor %} else 0
        end as _epoch,
        {%- else -%}
        0 as _epoch,
        {%- endif %}
        record_metadata,
        record_content
    from {{ raw }}
    where {{ condition }}
{%- endmacro %}
