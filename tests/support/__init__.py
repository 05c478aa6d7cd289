"""What tests share: processes, clients, rows, waiting. Loaded by import; the fixtures are `*_fixtures`."""
