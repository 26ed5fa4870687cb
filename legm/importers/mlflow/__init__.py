"""MLflow's stores: a SQLite file, an ``mlruns`` folder, a tracking server. MLflow need not be installed."""
