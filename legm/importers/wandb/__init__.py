"""W&B's runs: the folders and logs that it keeps on a machine, which need no W&B, and a server."""
