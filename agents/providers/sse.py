"""Server-sent events, as far as model endpoints use them."""


class EventData:
    """Turn the bytes of a stream into the data of its events; lines end in LF or CR LF.

    Only bytes are split: a text splitter would also break JSON at U+2028 and its kin.
    """

    __slots__ = ("_data", "_rest")

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the data of the events that end in this chunk."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        events: list[bytes] = []
        for raw in lines:
            line = raw.removesuffix(b"\r")
            if line.startswith(b"data:"):
                self._data.append(line[5:].lstrip(b" "))
            elif not line and self._data:
                events.append(b"\n".join(self._data))
                self._data.clear()
        return events

    def end(self) -> list[bytes]:
        """Return the data of an event that the end of the stream ended."""
        return self.feed(b"\n\n") if self._rest or self._data else []
