"""W&B runs: its local folders and logs, read without W&B, and a W&B server."""
