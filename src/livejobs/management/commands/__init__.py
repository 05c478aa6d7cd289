"""Commands for `manage.py` of a host project."""
