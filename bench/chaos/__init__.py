"""Kill the real path at seeded points, resume it as Airflow's retries would, compare the warehouse with the truth."""
