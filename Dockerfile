# Two images from one base: `airflow` runs every component of the platform, `metadata` is Airflow's Postgres.
FROM docker.io/library/python:3.11-slim-bookworm AS base

# --- the Python environment; built apart, so that the image holds no build leftovers --------------------------------
FROM base AS venv
# Debian's Python and the official image's are in different places; in a virtual environment both are alike.
RUN python3 -m venv /opt/venv
COPY requirements.txt .
# The lock is whole, so nothing is resolved here (pip would stumble over extras, which a lock with hashes leaves out).
RUN /opt/venv/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --require-hashes -r requirements.txt \
    && /opt/venv/bin/pip check

# --- Airflow with the platform --------------------------------------------------------------------------------------
FROM base AS airflow
RUN useradd --uid 50000 --gid 0 --create-home --home-dir /opt/airflow airflow \
    && install --directory --owner=airflow --group=root /opt/airflow/logs
COPY --from=venv /opt/venv /opt/venv
# Few arenas of malloc: threads that read pages side by side would leave holes in many, and memory would creep up.
ENV PATH=/opt/venv/bin:$PATH \
    MALLOC_ARENA_MAX=2 \
    PYTHONPATH=/opt/catchment/plugins \
    PYTHONUNBUFFERED=1 \
    AIRFLOW_HOME=/opt/airflow \
    AIRFLOW__CORE__DAGS_FOLDER=/opt/catchment/dags \
    AIRFLOW__CORE__PLUGINS_FOLDER=/opt/catchment/plugins \
    AIRFLOW__CORE__LOAD_EXAMPLES=False \
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED=False \
    AIRFLOW__COSMOS__ENABLE_TELEMETRY=False \
    DBT_SEND_ANONYMOUS_USAGE_STATS=false \
    DO_NOT_TRACK=1
WORKDIR /opt/catchment
COPY dags dags
COPY plugins plugins
COPY include include
# What Airflow renders the models from; dbt writes its logs and targets beside the project.
RUN python -m catchment dbt-manifest && chown -R airflow:root include/dbt
USER airflow
CMD ["airflow", "version"]

# --- Airflow's metadata database ------------------------------------------------------------------------------------
FROM base AS metadata
RUN apt-get update \
    && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends postgresql-15 \
    && rm -rf /var/lib/apt/lists/* /var/lib/postgresql/15 \
    && install --directory --owner=postgres --group=postgres --mode=0700 /var/lib/postgresql/data
ENV PATH=/usr/lib/postgresql/15/bin:$PATH PGDATA=/var/lib/postgresql/data
# Make the database at the first start, then serve. Everybody who connects over TCP must give the password.
RUN printf '%s\n' > /usr/local/bin/serve-metadata \
        '#!/bin/sh' \
        'set -eu' \
        'if [ ! -s "$PGDATA/PG_VERSION" ]; then' \
        '    umask 077; echo "$POSTGRES_PASSWORD" > /tmp/password' \
        '    initdb --username=airflow --pwfile=/tmp/password --auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8' \
        '    echo "host all all all scram-sha-256" >> "$PGDATA/pg_hba.conf"' \
        '    echo "CREATE DATABASE airflow" | postgres --single -D "$PGDATA" postgres' \
        '    rm /tmp/password' \
        'fi' \
        'exec postgres -c listen_addresses=* -c unix_socket_directories=/tmp "$@"' \
    && chmod 0755 /usr/local/bin/serve-metadata
USER postgres
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
CMD ["serve-metadata"]
