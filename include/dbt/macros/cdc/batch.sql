{#-
  Which raw rows a run reads: for each (topic, partition) the offsets from the relation's watermark up to the newest that
  raw holds when the run begins. They are written into the SQL as numbers, so that the warehouse skips what is older.

  Watermarks are Kafka offsets and never times or log positions: transactions commit in another order than they write.
-#}


{#-
  The batch of this run: {full, ranges: [{shard, topic, partition, from, until, was, epochs, snapshots}], truncates, unplaced}.
  `was` is the watermark that was found (none if there was none), `until` is exclusive, `epochs` are pairs (from offset,
  epoch), `snapshots` pairs (from offset, log position of an initial snapshot). `unplaced` counts rejected records that lie
  where the record before them lies: the batch then begins some records earlier, which changes nothing that is merged.
  Nothing is asked of the warehouse while the project is parsed, compiled or tested: then it is all there is.
-#}
{% macro cdc_batch(table, full=false) -%}
    {%- set everything = {'full': true, 'ranges': none, 'truncates': 1, 'unplaced': 1} -%}
    {%- if not execute or not flags.INTROSPECT or flags.WHICH not in ('run', 'build') or model.resource_type != 'model' -%}
        {{ return(everything) }}
    {%- endif -%}
    {%- set full = full or not cdc_is_incremental() -%}
    {%- set watermarks = run_query(cdc_watermarks_query()).rows -%}
    {%- set found = run_query(cdc_extent_query(table, [] if full else watermarks)).rows -%}
    {%- set epochs = run_query(cdc_epochs_query(table)).rows -%}
    {%- set snapshots = run_query(cdc_snapshots_query(table, epochs)).rows if found | sum(attribute=4) else [] -%}
    {%- set batch = {'full': full, 'ranges': [], 'truncates': found | sum(attribute=3), 'unplaced': found | sum(attribute=5)} -%}
    {%- for shard, partition, until, _, _, unplaced in found -%}
        {%- set place = [cdc_topic(shard, table), partition | int] -%}
        {%- set was = (cdc_of(watermarks, place) | first | default([none])) | first -%}
        {%- do batch.ranges.append({
            'shard': shard, 'topic': place[0], 'partition': place[1], 'until': until | int, 'was': was,
            'from': 0 if full else [0, (was or 0) - (1000 if unplaced else 0)] | max,
            'epochs': cdc_of(epochs, place), 'snapshots': cdc_of(snapshots, place),
        }) -%}
    {%- endfor -%}
    {%- do graph.setdefault('cdc_batches', {}).update({model.unique_id: batch}) if not full or not cdc_is_incremental() -%}
    {{ return(batch) }}
{%- endmacro %}


{#- The batch that the model's SQL was made for, later in the same run. -#}
{% macro cdc_batch_of_run() -%}
    {{ return(graph.get('cdc_batches', {}).get(model.unique_id, {})) }}
{%- endmacro %}


{#- What rows (topic, partition, numbers…) say of a place, as whole numbers. -#}
{% macro cdc_of(rows, place) -%}
    {%- set found = [] -%}
    {%- for row in rows if [row[0], row[1] | int] == place -%}
        {%- do found.append(row[2:] | map('int') | list) -%}
    {%- endfor -%}
    {{ return(found) }}
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


{#- Where a row of raw lies, whichever way it was written. -#}
{% macro cdc_partition_of_row() -%}
coalesce(kafka_partition, record_metadata:"partition"::number(38, 0))
{%- endmacro %}

{% macro cdc_offset_of_row() -%}
coalesce(kafka_offset, record_metadata:"offset"::number(38, 0))
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


{#-
  From which offset on each partition is after which initial snapshot: from the snapshot's first row, or, where no row of it
  lies in the partition, from the first record of its epoch that Debezium sent after the snapshot began; of two from the
  same record on, the later one comes last. All of raw is read, so it is asked only where a record of the batch needs it:
  those of the first transaction after a snapshot.
-#}
{% macro cdc_snapshots_query(table, epochs) -%}
with records as (
    {%- for shard in declared_tables()[table].shards %}
    {%- set topic = cdc_topic(shard, table) %}
    select
        '{{ topic }}' as topic,
        {{ cdc_partition_of_row() }} as part,
        {{ cdc_offset_of_row() }} as place,
        case
            {%- for of, part, since, epoch in epochs | reverse if of == topic %}
            when {{ cdc_partition_of_row() }} = {{ part }} and {{ cdc_offset_of_row() }} >= {{ since }} then {{ epoch }}
            {%- else %}
            when true then 0
            {%- endfor %}
            else 0
        end as epoch,
        record_metadata:"CreateTime"::number(38, 0) as sent_at,
        case
            when record_content:"op"::varchar = 'r' and record_content:"source"."snapshot"::varchar <> 'incremental'
            then record_content:"source"."lsn"::number(38, 0)
        end as snapshot_lsn
    from {{ cdc_raw(shard, table) }}
    {{ 'union all' if not loop.last }}
    {%- endfor %}
),

snapshots as (
    select topic, epoch, snapshot_lsn, min(sent_at) as began_at
    from records
    where snapshot_lsn is not null
    group by topic, epoch, snapshot_lsn
)

select
    records.topic,
    records.part,
    coalesce(
        min(case when records.snapshot_lsn = snapshots.snapshot_lsn then records.place end),
        min(case when records.sent_at >= snapshots.began_at then records.place end)
    ) as from_offset,
    snapshots.snapshot_lsn
from records
inner join snapshots on records.topic = snapshots.topic and records.epoch = snapshots.epoch
group by records.topic, records.part, records.epoch, snapshots.snapshot_lsn, snapshots.began_at
having from_offset is not null
order by records.topic, records.part, from_offset, snapshots.began_at
{%- endmacro %}


{#-
  How far raw goes, where there is news: (shard, partition, until), and how many of the new records are truncations, of a
  first transaction (it has no `commit`), or rejected without a place of their own.
-#}
{% macro cdc_extent_query(table, watermarks) -%}
select shard, kafka_partition, max(until_offset), sum(truncates), sum(first_ones), sum(unplaced)
from (
    {%- for shard in declared_tables()[table].shards -%}
        {%- set known = {} -%}
        {%- for topic, partition, next_offset in watermarks if topic == cdc_topic(shard, table) -%}
            {%- do known.update({partition | int: next_offset | int}) -%}
        {%- endfor -%}
        {%- set first_unknown = (known.keys() | max + 1) if known else 0 -%}
        {%- for partition in range(first_unknown + 1) %}
            {%- set condition = ('= ' if partition < first_unknown else '>= ') ~ partition -%}
            {%- for way in cdc_ways() %}
select
    '{{ shard }}' as shard,
    {{ way.partition }} as kafka_partition,
    max({{ way.offset }}) + 1 as until_offset,
    count_if(record_metadata:"key" is null and record_content is not null) as truncates,
    count_if(record_content:"source"."sequence"::varchar like '[null,%' and record_content:"op"::varchar <> 'r') as first_ones,
    count_if(record_content:"source" is null and {{ cdc_is_hole() }}) as unplaced
from {{ cdc_raw(shard, table) }}
where {{ way.only }}{{ way.partition }} {{ condition }} and {{ way.offset }} >= {{ known.get(partition, 0) }}
group by {{ way.partition }}
                {{- '\nunion all' if not loop.last }}
            {%- endfor %}
            {{- '\nunion all' if not loop.last }}
        {%- endfor %}
        {{- '\nunion all' if not loop.last }}
    {%- endfor %}
) as extents
group by shard, kafka_partition
order by shard, kafka_partition
{%- endmacro %}


{#- The two ways in which rows come to raw: our loader fills columns, Snowflake's sink the metadata alone. -#}
{% macro cdc_ways() -%}
    {{ return([
        {'partition': 'kafka_partition', 'offset': 'kafka_offset', 'only': ''},
        {'partition': 'record_metadata:"partition"::number(38, 0)', 'offset': 'record_metadata:"offset"::number(38, 0)',
            'only': 'kafka_partition is null and '},
    ]) }}
{%- endmacro %}


{#- The raw rows of the batch, each with its place and epoch; one branch a partition and way of writing, so that all are pruned. -#}
{% macro cdc_raw_rows(table, batch) -%}
    {%- set branches = [] -%}
    {%- for range in batch.ranges or [] -%}
        {%- for way in cdc_ways() -%}
            {%- do branches.append(cdc_branch(table, range, way, way.only ~ way.partition ~ ' = ' ~ range.partition
                ~ ' and ' ~ way.offset ~ ' >= ' ~ range.from ~ ' and ' ~ way.offset ~ ' < ' ~ range.until)) -%}
        {%- endfor -%}
    {%- else -%}
        {%- for shard in declared_tables()[table].shards -%}
            {%- do branches.append(cdc_branch(table, {'shard': shard, 'epochs': [], 'snapshots': []},
                {'partition': cdc_partition_of_row(), 'offset': cdc_offset_of_row()},
                'true' if batch.ranges is none else 'false')) -%}
        {%- endfor -%}
    {%- endfor -%}
{{ branches | join('\n    union all\n') }}
{%- endmacro %}

{% macro cdc_branch(table, range, way, condition) %}
    select
        '{{ range.shard }}' as _shard,
        {{ way.partition }} as _partition,
        {{ way.offset }} as _offset,
        {{ cdc_by_offset(way.offset, range.epochs, 0) }} as _epoch,
        {{ cdc_by_offset(way.offset, cdc_snapshots_in_epochs(range), 'null') }}::number(38, 0) as _snapshot_lsn,
        record_metadata,
        record_content
    from {{ cdc_raw(range.shard, table) }}
    where {{ condition }}
{%- endmacro %}


{#- The value of the last pair (from offset, value) that begins at or before an offset. -#}
{% macro cdc_by_offset(offset, pairs, otherwise) -%}
    {%- if not pairs -%} {{ otherwise }} {%- else -%}
case
            {%- for since, value in pairs | reverse %} when {{ offset }} >= {{ since }} then {{ value }}{% endfor %}{{ ' else ' ~ otherwise if otherwise != 'null' }}
        end
    {%- endif -%}
{%- endmacro %}


{#- Snapshots by offset; a new epoch begins without one, for its log positions don't compare with those before. -#}
{% macro cdc_snapshots_in_epochs(range) -%}
    {%- set found = [] -%}
    {%- for since, epoch in range.epochs if range.snapshots %}{% do found.append([since, 0, 'null']) %}{% endfor -%}
    {%- for since, lsn in range.snapshots %}{% do found.append([since, loop.index, lsn]) %}{% endfor -%}
    {%- set pairs = [] -%}
    {%- for since, _, value in found | sort %}{% do pairs.append([since, value]) %}{% endfor -%}
    {{ return(pairs) }}
{%- endmacro %}
