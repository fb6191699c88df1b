{#- Written from include/connectors by `python -m catchment dbt-sources`; do not edit. -#}
{% macro declared_tables() -%}
{{ return({
    "application.accounts": {
        "source": "application",
        "schema": "public",
        "name": "accounts",
        "shards": [
            "s0",
            "s1"
        ],
        "key": [
            "id"
        ],
        "merge_key": [
            "_shard",
            "\"ID\""
        ],
        "columns": {
            "id": "bigint",
            "external_id": "text",
            "name": "text",
            "status": "enum",
            "balance": "numeric(18,4)",
            "settings": "jsonb",
            "notes": "text",
            "feature_flags": "integer[]",
            "created_at": "timestamptz",
            "updated_at": "timestamp"
        }
    },
    "application.users": {
        "source": "application",
        "schema": "public",
        "name": "users",
        "shards": [
            "s0",
            "s1"
        ],
        "key": [
            "id"
        ],
        "merge_key": [
            "_shard",
            "\"ID\""
        ],
        "columns": {
            "id": "bigint",
            "account_id": "bigint",
            "public_id": "uuid",
            "email": "text",
            "full_name": "text",
            "title": "text",
            "role": "enum",
            "is_active": "boolean",
            "preferences": "jsonb",
            "avatar": "bytea",
            "last_seen_at": "timestamptz",
            "created_at": "timestamptz"
        }
    },
    "application.customers": {
        "source": "application",
        "schema": "public",
        "name": "customers",
        "shards": [
            "s0",
            "s1"
        ],
        "key": [
            "id"
        ],
        "merge_key": [
            "_shard",
            "\"ID\""
        ],
        "columns": {
            "id": "bigint",
            "account_id": "bigint",
            "external_id": "text",
            "email": "text",
            "contact_name": "text",
            "born": "date",
            "country": "text",
            "city": "text",
            "health_score": "double precision",
            "tags": "integer[]",
            "profile": "jsonb",
            "biography": "text",
            "created_at": "timestamptz",
            "updated_at": "timestamp"
        }
    },
    "application.subscriptions": {
        "source": "application",
        "schema": "public",
        "name": "subscriptions",
        "shards": [
            "s0",
            "s1"
        ],
        "key": [
            "id"
        ],
        "merge_key": [
            "_shard",
            "\"ID\""
        ],
        "columns": {
            "id": "bigint",
            "account_id": "bigint",
            "customer_id": "bigint",
            "external_id": "text",
            "plan": "text",
            "status": "enum",
            "seats": "integer",
            "price": "numeric(18,4)",
            "mrr_cents": "bigint",
            "started_on": "date",
            "ended_on": "date",
            "created_at": "timestamptz",
            "updated_at": "timestamp"
        }
    },
    "application.invoices": {
        "source": "application",
        "schema": "public",
        "name": "invoices",
        "shards": [
            "s0",
            "s1"
        ],
        "key": [
            "id"
        ],
        "merge_key": [
            "_shard",
            "\"ID\""
        ],
        "columns": {
            "id": "bigint",
            "account_id": "bigint",
            "customer_id": "bigint",
            "subscription_id": "bigint",
            "external_id": "text",
            "number": "integer",
            "net_cents": "bigint",
            "tax_cents": "bigint",
            "currency": "text",
            "exchange_rate": "double precision",
            "is_disabled": "boolean",
            "lines": "jsonb",
            "period_start": "timestamptz",
            "period_end": "timestamptz",
            "issued_on": "date",
            "paid_at": "timestamptz",
            "updated_at": "timestamp"
        }
    },
    "application.activities": {
        "source": "application",
        "schema": "public",
        "name": "activities",
        "shards": [
            "s0",
            "s1"
        ],
        "key": [
            "id",
            "occurred_at"
        ],
        "merge_key": [
            "_shard",
            "\"ID\"",
            "_key"
        ],
        "columns": {
            "id": "bigint",
            "account_id": "bigint",
            "user_id": "bigint",
            "kind": "text",
            "amount": "numeric(18,4)",
            "payload": "jsonb",
            "occurred_at": "timestamptz"
        }
    },
    "application.events": {
        "source": "application",
        "schema": "public",
        "name": "events",
        "shards": [
            "s0",
            "s1"
        ],
        "key": [
            "id"
        ],
        "merge_key": [
            "_shard",
            "\"ID\""
        ],
        "columns": {
            "id": "bigint",
            "account_id": "bigint",
            "user_id": "bigint",
            "name": "text",
            "properties": "jsonb",
            "duration_ms": "double precision",
            "body": "text",
            "occurred_at": "timestamptz",
            "received_at": "timestamp"
        }
    }
}) }}
{%- endmacro %}
