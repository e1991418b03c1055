"""MindSpore's settings for tests: CPU, PyNative mode unless a test sets another, synchronous errors."""

import os
import signal
import sys

import pytest

# Set before MindSpore is imported: by default it writes dumps below the working directory, and its log to stderr.
os.environ.setdefault("GLOG_v", "3")


def pytest_addoption(parser):
    parser.addoption(
        "--exhaustive",
        action="store_true",
        help="run the tables that take minutes too, of which a slice runs without it",
    )


def pytest_collection_modifyitems(config, items):
    if not config.option.exhaustive:
        for item in items:
            if item.get_closest_marker("exhaustive") or is_left_out_in_graph_mode(item):
                item.add_marker(pytest.mark.skip(reason="takes minutes: add --exhaustive"))


def is_left_out_in_graph_mode(item):
    """Whether a test runs in graph mode on a row that its marker graph_mode does not take."""
    marker = item.get_closest_marker("graph_mode")
    return marker is not None and item.callspec.params["mode"] == 0 and not marker.kwargs["where"](item.callspec.params)


def pytest_configure(config):
    # A shell's background job ignores Ctrl-C, and so would the processes that tests start and send it to.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)

    take_half_of_the_cores(config.option.markexpr)

    import mindspore as ms

    ms.set_device("CPU")
    ms.set_context(mode=ms.PYNATIVE_MODE)
    ms.runtime.launch_blocking()


def take_half_of_the_cores(half):
    """Pins this process and its children to half of the cores, the other half of `make test` to the rest.

    MindSpore's threads spin while they wait, and would take time from the other half.
    """
    if hasattr(os, "sched_setaffinity") and half in ("apart", "not apart"):
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, cores[half == "apart" :: 2] or cores)


@pytest.fixture(params=[1, 0], ids=["pynative", "graph"])
def mode(request, monkeypatch, tmp_path):
    """Runs a test in each of MindSpore's modes, in a folder for dumps of failed compilations; the mode's number."""
    import mindspore as ms

    monkeypatch.chdir(tmp_path)
    ms.set_context(mode=request.param)
    return request.param


@pytest.fixture(autouse=True)
def modes_restored():
    """Ends every test in PyNative mode; the fixture `mode`, the test or a recipe may have set the other."""
    yield
    import mindspore as ms

    if ms.get_context("mode") != ms.PYNATIVE_MODE:
        ms.set_context(mode=ms.PYNATIVE_MODE)


@pytest.fixture
def pynative():
    """Runs a test in PyNative mode on the CPU."""
    import mindspore as ms

    ms.set_context(mode=ms.PYNATIVE_MODE, device_target="CPU")


@pytest.fixture(scope="session")
def forked_commands(tmp_path_factory):
    """Starts commands in processes of their own, of which none imports MindSpore anew: a ForkedCommands."""
    from forked_commands import ForkedCommands

    commands = ForkedCommands(tmp_path_factory.mktemp("forked"))
    yield commands
    commands.close()


def pytest_unconfigure(config):
    """Ends the process before MindSpore's own teardown, which at times aborts a finished PyNative process on a CPU."""
    status = getattr(config, "exit_status", None)
    if status is not None:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(int(status))


def pytest_sessionfinish(session, exitstatus):
    session.config.exit_status = exitstatus
