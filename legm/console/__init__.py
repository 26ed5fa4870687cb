"""What a process and its children print, kept with the run."""
