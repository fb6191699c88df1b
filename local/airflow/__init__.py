"""Airflow of the local profile: its configuration, its connections, its first-time set-up and its REST API."""
