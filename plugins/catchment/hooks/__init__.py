"""Airflow hooks: connections to the systems, by Airflow's rules."""
