"""The room inside the ASGI server: one hub per process, one session per socket."""
