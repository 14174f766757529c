"""An HTTP/1.1 answer as its bytes come in: parsed within bounds, framed strictly, its body held until it is taken."""

import httptools

MOST_HEAD_BYTES = 64 * 1024
MOST_HEADER_LINES = 200
MOST_INTERIM_ANSWERS = 16


class NotHttp(ValueError):
    """Bytes that are no answer, or one that is out of bounds."""


class HttpAnswer:
    """One answer after another, each begun with `begin`. The public fields are for reading only."""

    __slots__ = (
        "_chunks",
        "_head_bytes",
        "_interim",
        "_no_body",
        "_parser",
        "_unproductive",
        "complete",
        "has_begun",
        "has_excess",
        "has_head",
        "has_news",
        "headers",
        "held",
        "keeps_alive",
        "status",
    )

    def __init__(self) -> None:
        self._no_body = False
        self._parser = httptools.HttpResponseParser(self)
        self.begin(no_body=False)

    def begin(self, *, no_body: bool) -> None:
        """Make ready for the answer to the next request. `no_body`: none follows the head (HEAD, CONNECT)."""
        if self._no_body:
            # The parser still waits for the body that the last head announced.
            self._parser = httptools.HttpResponseParser(self)
        self._no_body = no_body
        self._chunks: list[bytes] = []
        self._head_bytes = self._interim = self._unproductive = 0
        self.headers: list[tuple[str, str]] = []
        self.status = 0
        self.held = 0  # bytes of the body that wait to be taken
        self.has_begun = False  # some byte has come
        self.has_excess = False  # something has come behind a whole answer
        self.has_head = False
        self.has_news = False  # a reader that waits should look again; cleared by whoever waits
        self.complete = False
        self.keeps_alive = False  # the connection may carry another exchange after this one

    def feed(self, data: bytes) -> None:
        """Take the next bytes. Raises NotHttp."""
        self.has_begun = True
        self._unproductive += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.keeps_alive = False
            self.has_excess = self.complete
            if not self.complete:  # what comes behind a whole answer does not spoil it
                raise NotHttp("the upstream's answer is not HTTP that can be read") from error
        if self._unproductive > MOST_HEAD_BYTES and not self.complete:
            raise NotHttp("the upstream's answer has too much between its parts")

    def end(self) -> bool:
        """The upstream has hung up in order: whether the answer is whole."""
        self.keeps_alive = False
        if not self.complete and self.has_head and self._ends_with_connection():
            self.complete = True
        return self.complete

    def take(self) -> bytes:
        """All that has come of the body since the last call."""
        chunks = self._chunks
        if not chunks:
            return b""
        taken = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self.held = 0
        return taken

    def _ends_with_connection(self) -> bool:
        codings = [value for name, value in self.headers if name == "transfer-encoding"]
        if codings:
            return codings[-1].rpartition(",")[2].strip().lower() != "chunked"
        return not any(name == "content-length" for name, _ in self.headers)

    # What the parser calls. An exception here becomes an error of the parser's.

    def on_message_begin(self) -> None:
        """An answer begins, or a second one that nobody asked for."""
        if self.complete:
            self.keeps_alive, self.has_excess = False, True
        else:
            self.headers = []

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line, or a line of the trailer, which is dropped."""
        if self.has_head:
            return
        self._head_bytes += len(name) + len(value)
        if self._head_bytes > MOST_HEAD_BYTES or len(self.headers) >= MOST_HEADER_LINES:
            raise NotHttp("the head is too large")
        self.headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self.complete:
            return
        status = self._parser.get_status_code()
        if status < 200:
            self._interim += 1
            if status == 101 or self._interim > MOST_INTERIM_ANSWERS:
                raise NotHttp("an answer that nobody asked for")
            return
        self.status = status
        # Asked now: once the message is complete the parser has forgotten it.
        self.keeps_alive = self._parser.should_keep_alive()
        self.has_head = self.has_news = True
        self.complete = self._no_body

    def on_body(self, body: bytes) -> None:
        """Some of the body."""
        if self.complete:
            self.keeps_alive, self.has_excess = False, True
            return
        self._unproductive = 0
        self._chunks.append(body)
        self.held += len(body)
        self.has_news = True

    def on_message_complete(self) -> None:
        """The answer is whole, or an interim one was."""
        if self.has_head:
            self.complete = self.has_news = True
