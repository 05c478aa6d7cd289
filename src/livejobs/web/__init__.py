"""Inside HTTP: the page, a job's page, and what they download."""
