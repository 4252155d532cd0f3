"""The deployed API at an address of its own: SDKs send the header Host of where they send to, and the emulator tells APIs apart
by it."""

import contextlib
import http.client
import threading
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OF_ONE_CONNECTION = {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}


@contextlib.contextmanager
def front(endpoint, host):
    """Its URL, as long as it is asked for."""
    address = urllib.parse.urlsplit(endpoint).netloc

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self):
            body = self.read_chunks() if "Transfer-Encoding" in self.headers else self.read(self.headers.get("Content-Length", 0))
            headers = {name: value for name, value in self.headers.items() if name.lower() not in OF_ONE_CONNECTION}
            behind = http.client.HTTPConnection(address, timeout=30)
            behind.request(self.command, self.path, body, headers | {"Host": host})
            answer = behind.getresponse()
            text = answer.read()
            behind.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in OF_ONE_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def read(self, length):
            return self.rfile.read(int(length))

        def read_chunks(self):
            body = b""
            while length := int(self.rfile.readline(), 16):
                body += self.read(length)
                self.rfile.readline()
            self.rfile.readline()
            return body

        do_GET = do_POST = do_OPTIONS = forward

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Door)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
