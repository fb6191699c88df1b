"""Pages inside Airflow's UI."""
