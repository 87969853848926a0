"""FunASR's websocket protocol."""
