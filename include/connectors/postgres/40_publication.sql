-- Which tables are replicated: every declared one, under its root where it is partitioned. Tables are
-- added, never taken out: a table that left the publication and came back would have lost its changes between.
-- A publication that somebody narrowed sends everything again; what it did not send meanwhile stays lost.
DO $$
DECLARE
    publication text := current_setting('catchment.publication');
    wanted text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_publication WHERE pubname = publication) THEN
        EXECUTE format(
            'CREATE PUBLICATION %I FOR TABLE cdc.heartbeat, cdc.signals WITH '
            '(publish = ''insert, update, delete, truncate'', publish_via_partition_root = true)',
            publication
        );
    ELSIF NOT EXISTS (
        SELECT FROM pg_publication
        WHERE pubname = publication AND pubinsert AND pubupdate AND pubdelete AND pubtruncate AND pubviaroot
    ) THEN
        EXECUTE format(
            'ALTER PUBLICATION %I SET '
            '(publish = ''insert, update, delete, truncate'', publish_via_partition_root = true)',
            publication
        );
    END IF;
    FOR wanted IN
        SELECT declared.name
        FROM jsonb_array_elements_text(current_setting('catchment.tables')::jsonb) AS declared (name)
        WHERE NOT EXISTS (
            SELECT FROM pg_publication_rel AS member
            JOIN pg_publication AS published ON published.oid = member.prpubid
            WHERE published.pubname = publication AND member.prrelid = declared.name::regclass
        )
    LOOP
        EXECUTE format('ALTER PUBLICATION %I ADD TABLE %s', publication, wanted::regclass);
    END LOOP;
END $$;
