"""What every keeper of a server does: it starts the server, waits until it answers, and ends it with the end of its own standard input.

Requests are JSON lines on standard input, answers JSON lines on standard output. At the end of the input, which comes however the test process
ends, the server is ended with all that it started, and the folder removed. A server's own keeper adds to this what tests ask of that server.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

READY_SECONDS = 60
END_SECONDS = 10


class Keeper:
    def __init__(self, folder):
        self.folder = folder
        self.log_path = os.path.join(folder, "server.log")
        self.server = None
        self.requests = {"end": self.do_end, "log": self.log_tail}

    def start_server(self, command, environment, is_ready):
        """Starts the server, and waits until it answers."""
        if self.server is not None:
            raise RuntimeError("the server is running already")
        with open(self.log_path, "ab") as log:
            # A group of its own: what the server starts is in it too, and goes with it.
            self.server = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + READY_SECONDS
        while not is_ready():
            if self.server.poll() is not None:
                raise RuntimeError(self.ended_at_once())
            if time.monotonic() > deadline:
                self.end(signal.SIGKILL)
                raise RuntimeError(f"the server did not answer within {READY_SECONDS} seconds: {self.log_tail()}")
            time.sleep(0.02)
        if self.server.poll() is not None:
            # Another server answered: it has the port.
            raise RuntimeError(self.ended_at_once())

    def ended_at_once(self):
        code = self.server.returncode
        self.end(signal.SIGKILL)
        return f"the server ended at once with {code}: {self.log_tail()}"

    def do_end(self, signal):
        self.end(signal_named(signal))

    def end(self, with_signal):
        """Ends the server; what it stores stays until the end of the input."""
        if self.server is None:
            return
        self.server.send_signal(with_signal)
        try:
            self.server.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.server.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.server.wait()
        self.server = None

    def log_tail(self, bytes_max=4000):
        with open(self.log_path, "rb") as log:
            log.seek(max(0, os.path.getsize(self.log_path) - bytes_max))
            return log.read().decode(errors="replace")

    def answer(self, request):
        do = request.pop("do")
        if do not in self.requests:
            raise RuntimeError(f"no such request: {do}")
        return self.requests[do](**request)


def signal_named(name):
    return signal.Signals[name]


def keep(keeper_of):
    """The main of a keeper. Arguments: the folder; nothing else."""
    (folder,) = sys.argv[1:]
    # Not in the terminal's group: Ctrl-C is for the test, whose end closes our input.
    os.setsid()
    keeper = keeper_of(folder)
    try:
        for line in sys.stdin:
            try:
                answer = {"answer": keeper.answer(json.loads(line))}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}"}
            try:
                print(json.dumps(answer), flush=True)
            except BrokenPipeError:
                break
    finally:
        keeper.end(signal.SIGKILL)
        shutil.rmtree(folder, ignore_errors=True)
