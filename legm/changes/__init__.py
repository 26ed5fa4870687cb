"""Changes what is stored already: amending configurations, deleting, bringing back, moving, merging."""
