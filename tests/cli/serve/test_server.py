"""What the server of serve answers, and what it does not, over plain HTTP."""

import http.client
import json
import threading
import time

import pytest

from mindone_tae.cli.serve.jobs import Jobs, Limits
from mindone_tae.cli.serve.server import Server
from mindone_tae.cli.serve.waiting import WaitingLine
from mindone_tae.zoo import UserError

PICKED = "size=64px&frames=4&weights=0"


class Served:
    """A server whose work waits to be let go, and leaves a report of one word."""

    def __init__(self, folder):
        self.folder, self.uploads = folder / "out", folder / "out/uploads"
        self.uploads.mkdir(parents=True)
        self.go, self.worked = threading.Event(), []
        limits = Limits(megabytes=0.001, frames=8, pixels=1000)
        line = WaitingLine(self.work, most=2)
        self.server = Server(0, Jobs(self.folder, limits), line, ["tiny", "/secret/b.ckpt"], limits, self.uploads)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def work(self, upload, choice, tell):
        assert self.go.wait(20)
        self.worked.append((upload, upload.read_bytes(), choice))
        if upload.read_bytes() == b"bad":
            raise UserError("no video\x1b[2J")
        number = len(self.worked)
        (self.folder / f"{number:04d}").mkdir()
        (self.folder / f"{number:04d}/report.html").write_text(f"report {number}")
        return number

    def ask(self, method, path, body=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=20)
        connection.request(method, path, body, {"Host": f"127.0.0.1:{self.server.server_port}", **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def upload(self, body, query=PICKED):
        status, content = self.ask("POST", f"/uploads?{query}", body, Origin=self.server.origins[0])
        return status, json.loads(content)

    def wait(self, ticket):
        end = time.monotonic() + 20
        while time.monotonic() < end:
            progress = json.loads(self.ask("GET", f"/uploads/{ticket}")[1])
            if progress["state"] in ("done", "failed"):
                return progress
            time.sleep(0.02)
        raise AssertionError(progress)


@pytest.fixture
def served(tmp_path):
    served = Served(tmp_path)
    yield served
    served.go.set()
    served.server.shutdown()
    served.server.server_close()


def test_uploads_are_worked_on_one_after_another_and_too_many_are_refused(served):
    tickets = [served.upload(b"first")[1]["ticket"]]
    while served.server.line.progress(tickets[0]).state == "waiting":
        time.sleep(0.01)
    tickets += [served.upload(body)[1]["ticket"] for body in (b"bad", b"third")]
    assert served.upload(b"fourth") == (503, {"error": "2 videos are waiting; no more are taken: try later"})
    assert [json.loads(served.ask("GET", f"/uploads/{ticket}")[1])["state"] for ticket in tickets] == [
        "working",
        "waiting",
        "waiting",
    ]
    served.go.set()
    first, bad, third = map(served.wait, tickets)
    assert (first["state"], first["report"], third["report"]) == ("done", 1, 3)
    assert bad["state"] == "failed" and bad["text"] == "no video\\x1b[2J"
    assert [body for _, body, _ in served.worked] == [b"first", b"bad", b"third"]
    assert served.ask("GET", "/reports/3") == (200, "report 3")


def test_uploads_lie_under_names_of_ours(served):
    served.go.set()
    for name in ("..%2F..%2Fetc%2Fpasswd.MP4", "a.mp4%00.html", "--help"):
        served.wait(served.upload(b"x", f"{PICKED}&name={name}")[1]["ticket"])
    paths = [path for path, _, _ in served.worked]
    assert {path.parent for path in paths} == {served.uploads} and [path.suffix for path in paths] == [
        ".mp4",
        ".html",
        "",
    ]
    assert all(len(path.stem) == 32 and path.stem.isalnum() for path in paths)


@pytest.mark.parametrize(
    ("query", "body", "status", "said"),
    [
        (PICKED, bytes(1001), 413, "the file has 0.001001 MB; at most 0.001 are taken"),
        (PICKED, b"", 400, "the file is empty"),
        ("size=64px&frames=4", b"x", 400, "must be picked"),
        ("size=9999px&frames=4&weights=0", b"x", 400, "cannot be picked"),
        ("size=64px&frames=9&weights=0", b"x", 400, "cannot be picked"),
        ("size=64px&frames=4&weights=2", b"x", 400, "must be picked"),
        ("size=64px&frames=4&weights=-1", b"x", 400, "cannot be picked"),
    ],
)
def test_what_is_over_a_limit_or_not_on_offer_is_refused_and_leaves_nothing(served, query, body, status, said):
    found, content = served.upload(body, query)
    assert found == status and said in content["error"]
    assert not list(served.uploads.iterdir()) and not served.worked


def test_an_upload_whose_sender_goes_away_leaves_nothing(served):
    connection = http.client.HTTPConnection("127.0.0.1", served.server.server_port, timeout=20)
    connection.putrequest("POST", f"/uploads?{PICKED}")
    connection.putheader("Origin", served.server.origins[0])
    connection.putheader("Content-Length", "500")
    connection.endheaders(b"half")
    end = time.monotonic() + 20
    while not list(served.uploads.iterdir()) and time.monotonic() < end:
        time.sleep(0.01)
    connection.close()
    while list(served.uploads.iterdir()) and time.monotonic() < end:
        time.sleep(0.01)
    assert not list(served.uploads.iterdir()) and served.server.line.progress(0) is None


def test_a_target_that_is_no_address_is_answered(served):
    assert served.ask("GET", "http://[bad/")[0] == 400


def test_other_sites_are_not_answered(served):
    assert served.ask("GET", "/", Host="example.com")[0] == 400
    for origin in ({}, {"Origin": "https://example.com"}, {"Origin": "null"}):
        assert served.ask("POST", f"/uploads?{PICKED}", b"x", **origin)[0] == 403
    assert not list(served.uploads.iterdir())


def test_the_page_is_told_every_limit_of_an_upload(served):
    settings = json.loads(served.ask("GET", "/settings")[1])
    assert settings["limits"] == {"megabytes": 0.001, "frames": 8, "pixels": 1000}


def test_nothing_but_the_page_and_reports_is_served(served):
    (served.folder / "0001").mkdir()
    (served.folder / "0001/report.html").write_text("report 1")
    (served.folder / "0001/video.mp4").write_text("mine")
    assert served.ask("GET", "/reports/1") == (200, "report 1")
    for path in ("/", "/page.js", "/page.css", "/settings"):
        assert served.ask("GET", path)[0] == 200
    for path in (
        "/reports/2",
        "/reports/0001/../../0001/video.mp4",
        "/reports/1%2fvideo.mp4",
        "/0001/video.mp4",
        "//etc/passwd",
        "/../server.py",
    ):
        assert served.ask("GET", path)[0] == 404
    assert served.ask("DELETE", "/reports/1")[0] == 501
