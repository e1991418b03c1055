"""HTTP server of `mindone-tae serve`: the page, uploads, their progress and finished reports; no other file."""

import json
import re
import shutil
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from pathlib import PurePosixPath
from urllib.parse import parse_qs, urlsplit

from mindone_tae.zoo import UserError
from mindone_tae.zoo.printable import printable

from .jobs import Choice

HOST = "127.0.0.1"
SIZES = ("64px", "96px", "128px", "192px", "256px", "480px")
_PARTS = {
    "/": ("page.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_NUMBERED = re.compile(r"/(reports|uploads)/([0-9]{1,9})")
_IDLE_SECONDS = 60.0
_CHUNK = 1 << 16
_OWN = "; ".join(f"{kind}-src 'self'" for kind in ("style", "script", "connect", "frame"))
_POLICY = f"default-src 'none'; {_OWN}; img-src data:; frame-ancestors 'none'; form-action 'none'; base-uri 'none'"


class Server(ThreadingHTTPServer):
    """Server bound to the loopback address.

    Args:
        port: 0 takes any free port.
        jobs: Jobs, which finds the reports' pages.
        line: WaitingLine.
        weights: list of weights to pick from.
        limits: Limits.
        uploads: folder of uploads that wait.

    Raises:
        OSError: the port is taken.
    """

    daemon_threads = True

    def __init__(self, port, jobs, line, weights, limits, uploads):
        super().__init__((HOST, port), _Handler)
        self.jobs, self.line, self.weights, self.limits, self.uploads = jobs, line, weights, limits, uploads
        own = (f"{HOST}:{self.server_port}", f"localhost:{self.server_port}")
        self.hosts, self.origins = own, tuple(f"http://{host}" for host in own)

    @property
    def settings(self):
        """What the page offers."""
        return {"sizes": SIZES, "weights": self.weights, "limits": vars(self.limits)}

    def handle_error(self, request, client_address):
        """Prints nothing: browsers close connections early."""


class _Refused(Exception):
    """A request that is answered with an error status and a message."""

    def __init__(self, status, text):
        super().__init__(text)
        self.status = status


def _url(target):
    try:
        return urlsplit(target)
    except ValueError:
        raise _Refused(400, "not an address of this server") from None


class _Handler(BaseHTTPRequestHandler):
    server_version, sys_version, protocol_version = "mindone-tae", "", "HTTP/1.1"
    timeout = _IDLE_SECONDS

    def do_GET(self):
        self._answer(self._get)

    def do_POST(self):
        self._answer(self._post)

    def log_message(self, format, *words):
        """Requests are not logged."""

    def _answer(self, act):
        try:
            # pages of other sites must not reach this server, also not through DNS rebinding
            if self.headers.get("Host") not in self.server.hosts:
                raise _Refused(400, "not the name of this server")
            act(_url(self.path))
        except _Refused as refused:
            self.close_connection = True  # the rest of the request is not read
            self._json({"error": str(refused)}, refused.status)
        except (ConnectionError, TimeoutError):
            self.close_connection = True
        except OSError as error:  # a full disk, an unreadable report
            self.close_connection = True
            self._json({"error": f"{error.strerror}: check the disk of --output_path"}, 507)

    def _get(self, url):
        if url.path in _PARTS:
            name, kind = _PARTS[url.path]
            content = (resources.files(__package__) / "page" / name).read_bytes()
            return self._send(content, kind, {"Content-Security-Policy": _POLICY})
        if url.path == "/settings":
            return self._json(self.server.settings)
        match = _NUMBERED.fullmatch(url.path)
        if match and match[1] == "reports":
            page = self.server.jobs.page(int(match[2]))
            if page:  # a report has its own content security policy
                return self._send(page.read_bytes(), "text/html", {"X-Frame-Options": "SAMEORIGIN"})
        elif match:
            progress = self.server.line.progress(int(match[2]))
            if progress:
                return self._json(vars(progress))
        raise _Refused(404, "there is nothing here")

    def _post(self, url):
        if url.path != "/uploads":
            raise _Refused(404, "there is nothing here")
        if self.headers.get("Origin") not in self.server.origins:
            raise _Refused(403, "uploads are taken from this server's own page")
        choice, suffix = self._choice(parse_qs(url.query))
        upload = self.server.uploads / f"{uuid.uuid4().hex}{suffix}"
        try:
            self._receive(upload)
            ticket = self.server.line.add(upload, choice)
        except BaseException as error:
            upload.unlink(missing_ok=True)
            if isinstance(error, UserError):
                raise _Refused(503, str(error)) from None
            raise
        self._json({"ticket": ticket})

    def _choice(self, query):
        """The Choice and the suffix of the upload's name; the rest of the name is not used."""
        one = {key: values[0] for key, values in query.items()}
        try:
            size, frames, weights = one["size"], int(one["frames"]), self.server.weights[int(one["weights"])]
        except (KeyError, ValueError, IndexError):
            raise _Refused(400, "size, frames and weights must be picked: reload the page") from None
        if size not in SIZES or not 1 <= frames <= self.server.limits.frames or int(one["weights"]) < 0:
            raise _Refused(400, "this size, number of frames or these weights cannot be picked: reload the page")
        suffix = PurePosixPath(one.get("name", "")).suffix.lower()
        return Choice(size, frames, weights), suffix if re.fullmatch(r"\.[a-z0-9]{1,5}", suffix) else ""

    def _receive(self, path):
        """Writes the request's body to a file."""
        length, most = self.headers.get("Content-Length", ""), self.server.limits.megabytes * 1e6
        if not re.fullmatch(r"[0-9]{1,15}", length) or self.headers.get("Transfer-Encoding"):
            raise _Refused(411, "the upload's length is not told")
        if not int(length):
            raise _Refused(400, "the file is empty: give a video")
        if int(length) > most:
            megabytes = f"{int(length) / 1e6:.6g} MB; at most {most / 1e6:g} are taken"
            raise _Refused(413, f"the file has {megabytes}: give a shorter video")
        if int(length) > shutil.disk_usage(path.parent).free // 2:
            raise _Refused(507, "the disk is too full for this file")
        left = int(length)
        with open(path, "wb") as file:
            while left:
                content = self.rfile.read(min(left, _CHUNK))
                if not content:
                    raise ConnectionError
                file.write(content)
                left -= len(content)

    def _json(self, content, status=200):
        text = {key: printable(value) if isinstance(value, str) else value for key, value in content.items()}
        self._send(json.dumps(text).encode(), "application/json", status=status)

    def _send(self, content, kind, headers=None, status=200):
        self.send_response(status)
        own = {
            "Content-Type": f"{kind}; charset=utf-8",
            "Content-Length": str(len(content)),
            "Cache-Control": "no-store",
        }
        safe = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}
        for name, value in {**own, **safe, **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)
