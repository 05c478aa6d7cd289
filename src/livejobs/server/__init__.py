"""`livejobs up`: a small host of the app. Nothing outside this folder imports it."""
