"""Websocket servers to put under load; see :mod:`support.bench_servers`."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from support.bench_servers import Behaviour, ServerThread

__all__ = ["FunasrServer", "RealtimeServer"]

#: Everyone here ends a sentence after so many bytes (1.6 s of 16 kHz), and a piece after these.
SENTENCE = 51200
PIECE = 19200


class _WsServer(ServerThread):
    scheme = "ws"

    async def listen(self) -> None:
        self._connections: set[ServerConnection] = set()
        self._server = await serve(
            self._served,
            "127.0.0.1",
            0,
            process_request=self._refuse,
            max_size=None,
            compression=None,
            ping_interval=None,
            backlog=1024,
            subprotocols=None,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def stop(self) -> None:
        for connection in list(self._connections):
            connection.transport.abort()
        self._server.close(close_connections=False)

    def _refuse(self, connection: ServerConnection, request: Any) -> Any:
        full = self.behaviour.capacity is not None and self.under_way >= self.behaviour.capacity
        if full or self.behaviour.happens("refuse"):
            response = connection.respond(503, "full\n")
            response.headers["Retry-After"] = "2"
            return response
        return None

    async def _served(self, connection: ServerConnection) -> None:
        self._connections.add(connection)
        try:
            with self.counted():
                await self.conversation(connection)
        except ConnectionClosed:
            pass
        finally:
            self._connections.discard(connection)

    async def conversation(self, connection: ServerConnection) -> None:
        raise NotImplementedError

    async def spoil(self, connection: ServerConnection) -> bool:
        """What goes wrong at the end of an utterance; whether that was the end of all."""
        if self.behaviour.happens("drop"):
            connection.transport.abort()
            return True
        if self.behaviour.happens("bad_json"):
            await connection.send('{"mode": ')
        return False


class FunasrServer(_WsServer):
    """FunASR's protocol, in the ways of several servers.

    Dialects: "cpp" (2pass server), "cpp-offline", "python", "python-old" (knows no is_end, and
    is_final is upside down), "ours".
    """

    def __init__(self, dialect: str, behaviour: Behaviour | None = None) -> None:
        super().__init__(behaviour)
        self.dialect = dialect

    async def conversation(self, connection: ServerConnection) -> None:
        said: dict[str, Any] = {}
        heard, pieces, sentences = bytearray(), 0, 0
        async for message in connection:
            if isinstance(message, bytes):
                heard += message
                if self.dialect == "cpp-offline":
                    continue
                mode = said.get("mode", "2pass")
                while mode != "offline" and len(heard) - pieces >= PIECE:
                    await self._piece(connection, said, bytes(heard[pieces : pieces + PIECE]))
                    pieces += PIECE
                while mode != "online" and len(heard) - sentences >= SENTENCE:
                    await self._sentence(connection, said, heard, sentences, SENTENCE)
                    sentences += SENTENCE
                continue
            said |= json.loads(message)
            if said.get("is_speaking", True):
                self.asked.append(dict(said))
                continue
            await self.serve()
            if await self.spoil(connection):
                return
            if said.get("mode") == "online":
                await self._last(connection, said, heard, pieces)
            else:
                await self._last(connection, said, heard, sentences)

    async def _piece(self, connection: ServerConnection, said: Any, pcm: bytes) -> None:
        if self.behaviour.piece_s:
            await asyncio.sleep(self.behaviour.piece_s)
        name = "online" if said["mode"] == "online" and "python" in self.dialect else "2pass-online"
        text = self.behaviour.text(pcm)
        if not text:
            return
        answer = {"mode": name, "text": text + " ", "wav_name": said.get("wav_name")}
        answer["is_final"] = self.dialect == "python-old"
        if self.dialect == "cpp":
            answer["timestamp"] = int(1000 * time.time())
        await connection.send(json.dumps(answer))

    def _said(self, said: Any, heard: bytearray, start: int, length: int) -> dict[str, Any]:
        """A sentence, but for is_final."""
        two = said.get("mode") == "2pass" or self.dialect == "cpp"
        pcm = bytes(heard[start : start + length])
        begin, end = start // 32, (start + len(pcm)) // 32
        stamps: Any = [[begin, (begin + end) // 2], [(begin + end) // 2, end]]
        answer = {
            "mode": "2pass-offline" if two and self.dialect != "cpp-offline" else "offline",
            "text": self.behaviour.text(pcm),
            "wav_name": said.get("wav_name"),
        }
        if answer["text"]:
            in_list = "python" in self.dialect
            answer["timestamp"] = stamps if in_list else json.dumps(stamps)
        return answer

    async def _sentence(
        self, connection: ServerConnection, said: Any, heard: bytearray, start: int, length: int
    ) -> None:
        answer = self._said(said, heard, start, length)
        if answer["text"]:
            await connection.send(json.dumps(answer | {"is_final": "python" in self.dialect}))

    async def _last(
        self, connection: ServerConnection, said: Any, heard: bytearray, start: int
    ) -> None:
        answer = self._said(said, heard, start, len(heard))
        if said.get("mode") == "online":
            answer["mode"] = "online" if "python" in self.dialect else "2pass-online"
            answer.pop("timestamp", None)
        answers: list[dict[str, Any]] = [answer]
        if "python" in self.dialect:
            answer["is_final"] = self.dialect == "python"
            answers = [answer] if answer["text"] else []
            if said.get("is_end") and self.dialect == "python":
                done = {"mode": said["mode"], "wav_name": said.get("wav_name"), "is_final": True}
                answers.append(done | {"is_end": True})
        elif self.dialect == "cpp-offline":
            answer["is_final"] = False
        else:
            answer["is_final"] = True
            if not answer["text"] and self.dialect == "cpp":
                del answer["mode"]
            if said.get("is_end") and self.dialect == "ours":
                answer["is_end"] = True
        if self.behaviour.happens("fail"):
            answers = [{"error": {"code": "inference_error", "message": "it broke"}}]
        if self.behaviour.happens("double"):
            answers.append(answers[-1])
        for one in answers:
            await connection.send(json.dumps(one))


class RealtimeServer(_WsServer):
    """OpenAI's realtime transcription; its detector ends an item after 1.6 s."""

    path = "/v1/realtime"

    async def conversation(self, connection: ServerConnection) -> None:
        await _tell(connection, "session.created", session={"type": "transcription"})
        heard, items, vad = bytearray(), 0, False
        async for message in connection:
            said = json.loads(message)
            kind = said["type"]
            if kind == "session.update":
                self.asked.append(said["session"])
                vad = said["session"]["audio"]["input"]["turn_detection"] is not None
                await _tell(connection, "session.updated", session=said["session"])
            elif kind == "input_audio_buffer.append":
                heard += base64.b64decode(said["audio"])
                while vad and len(heard) >= SENTENCE * 3 // 2:
                    pcm = bytes(heard[: SENTENCE * 3 // 2])
                    del heard[: len(pcm)]
                    items += 1
                    await _tell(
                        connection, "input_audio_buffer.speech_stopped", item_id=f"item{items}"
                    )
                    await self._item(connection, f"item{items}", pcm)
            elif kind == "input_audio_buffer.commit":
                if len(heard) < 4800:
                    error = {"type": "invalid_request_error", "message": "buffer too small"}
                    error["code"] = "input_audio_buffer_commit_empty"
                    await _tell(connection, "error", error=error)
                    continue
                items += 1
                await self._item(connection, f"item{items}", bytes(heard))
                heard.clear()

    async def _item(self, connection: ServerConnection, item: str, pcm: bytes) -> None:
        await _tell(connection, "input_audio_buffer.committed", item_id=item)
        await self.serve()
        if await self.spoil(connection):
            return
        name = "conversation.item.input_audio_transcription."
        if self.behaviour.happens("fail"):
            error = {"code": "inference_error", "message": "it broke"}
            await _tell(connection, name + "failed", item_id=item, error=error)
            return
        text = self.behaviour.text(pcm)
        for word in text.split():
            await _tell(connection, name + "delta", item_id=item, content_index=0, delta=word + " ")
        for _ in range(1 + self.behaviour.happens("double")):
            await _tell(connection, name + "completed", item_id=item, transcript=text)


async def _tell(connection: ServerConnection, kind: str, **fields: Any) -> None:
    await connection.send(json.dumps({"type": kind, "event_id": "event", **fields}))
