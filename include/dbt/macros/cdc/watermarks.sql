{#-
  After the merge: remember truncations, then move the watermarks to the end of the batch. A run that dies before this
  merges its batch again, which changes nothing.

  A watermark moves only from where the run found it: a replay that lowered it meanwhile wins. It stays while a row of
  the last hour lacks a value (`_unresolved`): the other half of a primary key's change has not come to raw yet, and the
  next run must see both. A run that built the table from scratch takes back what another run moved on meanwhile: its
  table lacks what that one merged into the one before.
-#}
{% macro cdc_advance(table) -%}
    {%- if not execute -%}{{ return('') }}{%- endif -%}
    {%- set batch = cdc_batch_of_run() -%}
    {%- if not batch or not batch.ranges -%}{{ return('') }}{%- endif -%}
    {%- if batch.truncates -%}{%- do run_query(cdc_remember_truncations(table, batch)) -%}{%- endif -%}
    {%- set settled = cdc_nothing_is_awaited() -%}
merge into {{ source('catchment', 'watermarks') }} as target
using (
    {%- for range in batch.ranges %}
    select '{{ range.topic }}' as topic, {{ range.partition }} as kafka_partition, {{ range.until }} as until_offset, {{ range.from }} as from_offset,
        {{ range.was if range.was is not none else 'null' }}::number(38, 0) as found_offset
    {{ 'union all' if not loop.last }}
    {%- endfor %}
) as source
on target.model = '{{ cdc_watermark_key() }}' and target.topic = source.topic and target.kafka_partition = source.kafka_partition
when matched and target.next_offset = source.found_offset and {{ settled }} then update set
    next_offset = source.until_offset,
    merged_from = source.from_offset,
    updated_at = sysdate()
{%- if batch.full %}
when matched and target.next_offset > source.until_offset then update set
    next_offset = {{ 'source.until_offset' if settled == 'true' else 'coalesce(source.found_offset, 0)' }},
    merged_from = source.from_offset,
    updated_at = sysdate()
{%- endif %}
when not matched and {{ settled }} then insert (model, topic, kafka_partition, next_offset, merged_from, updated_at)
values ('{{ cdc_watermark_key() }}', source.topic, source.kafka_partition, source.until_offset, source.from_offset,
    sysdate())
{%- endmacro %}


{% macro cdc_nothing_is_awaited() -%}
    {%- set awaited = run_query(
        "select count(*) from " ~ this ~ " where " ~ cdc_lacks_a_value() ~ " and _op <> 'd'"
        ~ " and _changed_at > dateadd(hour, -1, sysdate())"
    ).rows[0][0] | int -%}
    {{ return('false' if awaited else 'true') }}
{%- endmacro %}


{% macro cdc_remember_truncations(table, batch) -%}
merge into {{ source('catchment', 'truncates') }} as target
using (
    with {{ cdc_changes(table, batch) }}
    one as (select 1 as one)
    select * from truncations
) as source
on target.shard = source._shard and target.table_name = '{{ table }}' and target.change_order = source._order
when not matched then insert
    (shard, table_name, change_order, epoch, commit_lsn, change_lsn, transaction_id, kafka_partition, kafka_offset, changed_at)
values (source._shard, '{{ table }}', source._order, source._epoch, source._commit_lsn, source._lsn,
    source._transaction_id, source._partition, source._offset, source._changed_at)
{%- endmacro %}
