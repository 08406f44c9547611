"""The requests of clients that no package source of this project has, as bytes on a socket.

They are written down from the documentation and the sources of these clients, not recorded from running ones:

- Windows PowerShell 5.1: `Invoke-WebRequest` and `Invoke-RestMethod` on the HTTP client of the .NET Framework. A `POST`
  without `-ContentType` is a form to them, other verbs have no content type; a body waits for `100 Continue`; a string
  goes out in ISO 8859-1.
- PowerShell 7: the same commands on the newer HTTP client, without the waiting, in UTF-8.
- prometheus-net: `MetricPusher` streams the text in chunks, again and again over one connection.
- PromPHP: one request by Guzzle, which waits for `100 Continue` with bodies over a megabyte.

Here-strings of a script with Windows' line ends carry them into the body. The Pushgateway refuses that and Wharf takes
it, so it is not among the requests that have to end the same.
"""

import base64
import select
import socket
from http.client import HTTPResponse
from urllib.parse import quote, urlsplit


class Connection:
    """One connection that is used for all requests, and opened again when the gateway closes it."""

    def __init__(self, gateway):
        self.address = urlsplit(gateway).netloc
        self.socket = None

    def send(self, lines, body=None, waits=False, chunks=None):
        """Sends a request and returns the status and the body of its answer."""
        if self.socket is None:
            host, port = self.address.split(":")
            self.socket = socket.create_connection((host, int(port)), timeout=60)
        head = "\r\n".join(lines).replace("HOST", self.address) + "\r\n\r\n"
        self.socket.sendall(head.encode("ascii"))
        if waits and not self.may_go_on():
            return self.answer(lines[0])
        if chunks is not None:
            for chunk in chunks:
                self.socket.sendall(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            self.socket.sendall(b"0\r\n\r\n")
        elif body is not None:
            self.socket.sendall(body)
        return self.answer(lines[0])

    def may_go_on(self):
        """Whether to send the body: after `100 Continue` or after a while of silence, but not after an answer."""
        interim = b"HTTP/1.1 100 Continue\r\n\r\n"
        if not select.select([self.socket], [], [], 0.35)[0]:
            return True
        while interim.startswith(seen := self.socket.recv(len(interim), socket.MSG_PEEK)) and seen:
            if seen == interim:
                return self.socket.recv(len(interim)) == interim
        return False

    def answer(self, request_line):
        response = HTTPResponse(self.socket, method=request_line.split(" ")[0])
        response.begin()
        body = response.read().decode()
        if response.will_close:
            self.socket.close()
            self.socket = None
        return response.status, body


class WindowsPowerShell:
    """`Invoke-WebRequest -Uri ... -Method ... -Body ...` of Windows PowerShell 5.1."""

    agent = "Mozilla/5.0 (Windows NT; Windows NT 10.0; en-US) WindowsPowerShell/5.1.19041.4894"
    encoding = "iso-8859-1"

    def __init__(self, gateway):
        self.connection = Connection(gateway)

    def invoke(self, method, path, body=None, user=None):
        """A string is encoded, bytes are those of `-InFile`. `-Credential` answers a 401, it does not go ahead."""
        status, said = self.request(method, path, body, [])
        if status == 401 and user:
            token = base64.b64encode(user.encode()).decode()
            status, said = self.request(method, path, body, [f"Authorization: Basic {token}"])
        return status, said

    def request(self, method, path, body, extra):
        lines = [f"{method} {quote(path, safe='/@=+%')} HTTP/1.1", f"User-Agent: {self.agent}", *extra]
        if method == "POST":
            lines.append("Content-Type: application/x-www-form-urlencoded")
        lines.append("Host: HOST")
        if body is None:
            return self.connection.send(lines + ["Connection: Keep-Alive"])
        body = body.encode(self.encoding, "replace") if isinstance(body, str) else body
        lines += [f"Content-Length: {len(body)}", "Expect: 100-continue", "Connection: Keep-Alive"]
        return self.connection.send(lines, body, waits=True)


class PowerShell(WindowsPowerShell):
    """The same of PowerShell 7."""

    agent = "Mozilla/5.0 (Windows NT 10.0; Microsoft Windows 10.0.19045; en-US) PowerShell/7.4.6"
    encoding = "utf-8"

    def request(self, method, path, body, extra):
        lines = [f"{method} {quote(path, safe='/@=+%')} HTTP/1.1", "Host: HOST", f"User-Agent: {self.agent}"]
        lines += ["Accept-Encoding: gzip, deflate, br", *extra]
        if method == "POST":
            lines.append("Content-Type: application/x-www-form-urlencoded")
        if body is None:
            return self.connection.send(lines)
        body = body.encode(self.encoding) if isinstance(body, str) else body
        return self.connection.send(lines + [f"Content-Length: {len(body)}"], body)


class PrometheusNet:
    """`MetricPusher`, once for each call; `POST` unless it is told to replace. It cannot delete."""

    def __init__(self, gateway):
        self.connection = Connection(gateway)

    def push(self, path, text, replace=False):
        lines = [f"{'PUT' if replace else 'POST'} {quote(path, safe='/@=+%')} HTTP/1.1", "Host: HOST"]
        lines += ["Transfer-Encoding: chunked", "Content-Type: text/plain; version=0.0.4; charset=utf-8"]
        chunks = [line.encode() for line in text.splitlines(keepends=True)]
        return self.connection.send(lines, chunks=chunks)


class PromPHP:
    """`PushGateway::push`, `pushAdd` and `delete`, for which only 200 and 202 are successes."""

    def __init__(self, gateway):
        self.connection = Connection(gateway)

    def request(self, method, path, text=None):
        lines = [f"{method} {quote(path, safe='/@=+%')} HTTP/1.1", "Host: HOST", "User-Agent: GuzzleHttp/7"]
        lines.append("Content-Type: text/plain; version=0.0.4")
        if text is None:
            return self.connection.send(lines)
        body = text.encode()
        waits = len(body) > 1024 * 1024
        lines += ["Expect: 100-Continue"] if waits else []
        return self.connection.send(lines + [f"Content-Length: {len(body)}"], body, waits)
