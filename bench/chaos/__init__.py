"""Kill the real path at seeded points, let it go on as Airflow's retries would, compare the warehouse with the truth."""
