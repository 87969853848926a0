"""Clients that behave badly: plain sockets, websocket frames by hand, hanging up without a word."""

from __future__ import annotations

import base64
import os
import socket
import struct

__all__ = ["frame", "hang_up", "raw_http", "raw_ws"]

BINARY = 2
TEXT = 1


def raw_http(port: int, *, receive_buffer: int | None = None) -> socket.socket:
    """A connection; nothing is sent yet.

    Args:
        port: of this machine.
        receive_buffer: bytes that the kernel keeps for a client that does not read.
    """
    one = socket.socket()
    if receive_buffer is not None:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    one.settimeout(60)
    one.connect(("127.0.0.1", port))
    return one


def raw_ws(port: int, path: str = "/", *, receive_buffer: int | None = None) -> socket.socket:
    """A websocket behind its handshake."""
    one = raw_http(port, receive_buffer=receive_buffer)
    key = base64.b64encode(os.urandom(16)).decode()
    one.sendall(
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):  # byte by byte: what follows is a frame's
        head += one.recv(1)
    assert b" 101 " in head, head
    return one


def frame(data: bytes | str, *, last: bool = True, length: int | None = None) -> bytes:
    """A client's frame.

    Args:
        data: a text, or bytes.
        last: whether the message ends with it.
        length: that its head says; default: the right one.
    """
    code = TEXT if isinstance(data, str) else BINARY
    payload = data.encode() if isinstance(data, str) else data
    size = len(payload) if length is None else length
    head = bytes([(0x80 if last else 0) | code])
    if size < 126:
        head += bytes([0x80 | size])
    elif size < 65536:
        head += bytes([0x80 | 126]) + struct.pack(">H", size)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", size)
    return head + bytes(4) + payload  # a mask of zeros changes nothing


def hang_up(one: socket.socket) -> None:
    """Gone, without a closing handshake; the other side sees a reset."""
    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()
