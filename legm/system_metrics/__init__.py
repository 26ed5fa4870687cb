"""How much of the machine a run uses: processor, memory, disk, network and GPUs."""
