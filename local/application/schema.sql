-- The application's own schema, the same on every shard. Running it again changes nothing.
-- What change data capture needs beside it (role, schema cdc, publication) is in include/connectors/postgres.

DO $$ BEGIN
    CREATE TYPE account_status AS ENUM ('trial', 'active', 'past_due', 'churned', 'merged');
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN
    CREATE TYPE user_role AS ENUM ('owner', 'admin', 'member', 'guest');
EXCEPTION WHEN duplicate_object THEN NULL; END $$;
DO $$ BEGIN
    CREATE TYPE subscription_status AS ENUM ('active', 'cancelled');
EXCEPTION WHEN duplicate_object THEN NULL; END $$;

CREATE TABLE IF NOT EXISTS accounts (
    id bigint PRIMARY KEY,
    external_id text NOT NULL,
    name text NOT NULL,
    status account_status NOT NULL DEFAULT 'trial',
    balance numeric(18, 4) NOT NULL DEFAULT 0,
    settings jsonb,
    notes text,
    feature_flags integer[],
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
);

CREATE TABLE IF NOT EXISTS users (
    id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    public_id uuid NOT NULL DEFAULT gen_random_uuid(),
    email text NOT NULL,
    full_name text,
    title text,
    role user_role NOT NULL DEFAULT 'member',
    is_active boolean NOT NULL DEFAULT true,
    preferences jsonb,
    avatar bytea,
    last_seen_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE TABLE IF NOT EXISTS customers (
    id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    external_id text NOT NULL,
    email text,
    contact_name text,
    born date,
    country text,
    city text,
    health_score double precision,
    tags integer[],
    profile jsonb,
    biography text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
);
-- The one table whose changes carry the whole row as it was before.
DO $$ BEGIN
    IF (SELECT relreplident FROM pg_class WHERE oid = 'customers'::regclass) <> 'f' THEN
        ALTER TABLE customers REPLICA IDENTITY FULL;
    END IF;
END $$;

CREATE TABLE IF NOT EXISTS subscriptions (
    id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    customer_id bigint NOT NULL,
    external_id text NOT NULL,
    plan text NOT NULL,
    status subscription_status NOT NULL DEFAULT 'active',
    seats integer NOT NULL,
    price numeric(18, 4) NOT NULL,
    mrr_cents bigint NOT NULL,
    started_on date NOT NULL,
    ended_on date,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
);

CREATE TABLE IF NOT EXISTS invoices (
    id bigint PRIMARY KEY,
    account_id bigint NOT NULL,
    customer_id bigint NOT NULL,
    subscription_id bigint NOT NULL,
    external_id text NOT NULL,
    number integer NOT NULL,
    net_cents bigint NOT NULL,
    tax_cents bigint NOT NULL,
    currency text NOT NULL,
    exchange_rate double precision,
    is_disabled boolean NOT NULL DEFAULT false,
    lines jsonb NOT NULL,
    period_start timestamptz NOT NULL,
    period_end timestamptz NOT NULL,
    issued_on date NOT NULL,
    paid_at timestamptz,
    updated_at timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
);

-- Numbers of what signs up here; ids are made unique over all shards from them (local/application/changes.py).
CREATE SEQUENCE IF NOT EXISTS sign_up_ids START 10000;

CREATE SEQUENCE IF NOT EXISTS activity_ids;
CREATE TABLE IF NOT EXISTS activities (
    id bigint NOT NULL DEFAULT nextval('activity_ids'),
    account_id bigint NOT NULL,
    user_id bigint,
    kind text NOT NULL,
    amount numeric(18, 4),
    payload jsonb,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (id, occurred_at)
) PARTITION BY RANGE (occurred_at);

CREATE SEQUENCE IF NOT EXISTS event_ids;
CREATE TABLE IF NOT EXISTS events (
    id bigint NOT NULL DEFAULT nextval('event_ids') PRIMARY KEY,
    account_id bigint NOT NULL,
    user_id bigint,
    name text NOT NULL,
    properties jsonb,
    duration_ms double precision,
    body text,
    occurred_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    received_at timestamp NOT NULL DEFAULT (clock_timestamp() AT TIME ZONE 'UTC')
) PARTITION BY HASH (id);
CREATE TABLE IF NOT EXISTS events_0 PARTITION OF events FOR VALUES WITH (MODULUS 4, REMAINDER 0);
CREATE TABLE IF NOT EXISTS events_1 PARTITION OF events FOR VALUES WITH (MODULUS 4, REMAINDER 1);
CREATE TABLE IF NOT EXISTS events_2 PARTITION OF events FOR VALUES WITH (MODULUS 4, REMAINDER 2);
CREATE TABLE IF NOT EXISTS events_3 PARTITION OF events FOR VALUES WITH (MODULUS 4, REMAINDER 3);

CREATE OR REPLACE FUNCTION ensure_activity_partitions(first date, last date) RETURNS integer
LANGUAGE plpgsql AS $$
-- One partition of activities for each month from `first` to `last`; returns how many were made.
DECLARE
    start date := date_trunc('month', first)::date;
    name text;
    made integer := 0;
BEGIN
    WHILE start <= last LOOP
        name := 'activities_' || to_char(start, 'YYYY_MM');
        IF to_regclass(name) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF activities FOR VALUES FROM (%L) TO (%L)',
                name, start::timestamp AT TIME ZONE 'UTC', (start + interval '1 month') AT TIME ZONE 'UTC'
            );
            made := made + 1;
        END IF;
        start := (start + interval '1 month')::date;
    END LOOP;
    RETURN made;
END $$;

-- What the application remembers of itself; no part of what is replicated.
CREATE SCHEMA IF NOT EXISTS internal;
CREATE TABLE IF NOT EXISTS internal.facts (name text PRIMARY KEY, value text NOT NULL);
