"""An address that webhooks are sent to."""

import http.server
import threading


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps what was posted and answers with `statuses`, the last of them for ever."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got = []
        self.statuses = [204]
        self.url = f"http://127.0.0.1:{self.server_address[1]}/hook"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        self.server.got.append((dict(self.headers), body))
        statuses = self.server.statuses
        status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
        self.send_response(status)
        if status == 302:
            self.send_header("location", self.server.url)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass
