"""From the run log to backends: finding them, calling them, and delivering what is pending."""
