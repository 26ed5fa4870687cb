"""Where a run comes from: its code, command, machine, scheduler and the versions of what it imported."""
