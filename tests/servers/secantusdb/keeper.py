"""Keeps one MongoDB-compatible server for a test process, and runs commands on it with pymongo.

Requests are JSON lines on standard input, answers JSON lines on standard output. At the end of the input, which comes however the test process
ends, the server is ended and the folder removed. Arguments: the folder; nothing else.
"""

import json
import os
import shutil
import signal
import socket
import ssl
import struct
import subprocess
import sys
import time

READY_SECONDS = 60
END_SECONDS = 10

# {hello: 1, $db: "admin"} as an OP_MSG.
HELLO_BODY = b"\x10hello\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00"
HELLO_DOCUMENT = struct.pack("<i", len(HELLO_BODY) + 4) + HELLO_BODY
HELLO = struct.pack("<iiiiib", 21 + len(HELLO_DOCUMENT), 1, 0, 2013, 0, 0) + HELLO_DOCUMENT


class Keeper:
    def __init__(self, folder):
        self.folder = folder
        self.log_path = os.path.join(folder, "server.log")
        self.server = None
        self.client = None
        self.client_uri = None

    def start(self, port, tls, arguments):
        """Starts the server on the port, and waits until it answers."""
        if self.server is not None:
            raise RuntimeError("the server is running already")
        command = [sys.executable, "-m", "secantus", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--storage-path", os.path.join(self.folder, "storage")] + arguments
        # Neither the user's own settings nor those of the folder the test runs in.
        environment = dict(os.environ, HOME=self.folder, PYTHONUNBUFFERED="1")
        with open(self.log_path, "ab") as log:
            self.server = subprocess.Popen(
                command, cwd=self.folder, env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + READY_SECONDS
        while not says_hello(port, tls):
            if self.server.poll() is not None:
                code, self.server = self.server.returncode, None
                raise RuntimeError(f"the server ended at once with {code}: {self.log_tail()}")
            if time.monotonic() > deadline:
                self.end(signal.SIGKILL)
                raise RuntimeError(f"the server did not answer within {READY_SECONDS} seconds: {self.log_tail()}")
            time.sleep(0.02)
        if self.server.poll() is not None:
            # Another server answered: it has the port.
            code, self.server = self.server.returncode, None
            raise RuntimeError(f"the server ended at once with {code}: {self.log_tail()}")
        return None

    def end(self, with_signal):
        """Ends the server; what it stores stays until the end of the input."""
        self.forget_client()
        if self.server is None:
            return None
        self.server.send_signal(with_signal)
        try:
            self.server.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait()
        self.server = None
        return None

    def command(self, uri, database, command):
        """Runs a command; it and the reply are MongoDB's Extended JSON."""
        from bson import json_util

        self.connect(uri)
        reply = self.client[database].command(json_util.loads(json.dumps(command)))
        return json.loads(json_util.dumps(reply, json_options=json_util.RELAXED_JSON_OPTIONS))

    def find(self, uri, database, collection, filter):
        """All documents of a collection, in the order of their keys."""
        from bson import json_util

        self.connect(uri)
        found = self.client[database][collection].find(json_util.loads(json.dumps(filter))).sort("_id", 1)
        return [json.loads(json_util.dumps(one, json_options=json_util.RELAXED_JSON_OPTIONS)) for one in found]

    def connect(self, uri):
        import pymongo

        if self.client_uri != uri:
            self.forget_client()
            self.client = pymongo.MongoClient(uri, serverSelectionTimeoutMS=20_000, appname="keeper")
            self.client_uri = uri

    def forget_client(self):
        if self.client is not None:
            self.client.close()
        self.client = self.client_uri = None

    def log_tail(self):
        with open(self.log_path, "rb") as log:
            return log.read()[-4000:].decode(errors="replace")

    def answer(self, request):
        do = request.pop("do")
        if do == "start":
            return self.start(**request)
        if do == "end":
            return self.end(signal.Signals[request["signal"]])
        if do == "command":
            return self.command(**request)
        if do == "find":
            return self.find(**request)
        if do == "log":
            return self.log_tail()
        raise RuntimeError(f"no such request: {do}")


def says_hello(port, tls):
    """Whether a server on the port answers `hello`; one that wants the client's certificate answers by refusing us for that."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as plain:
            if tls is None:
                return hello_is_answered(plain)
            context = ssl.create_default_context()
            context.check_hostname = False
            # It is only asked whether it is up: a test may have given it a certificate that has expired.
            context.verify_mode = ssl.CERT_NONE
            with context.wrap_socket(plain) as wrapped:
                return hello_is_answered(wrapped)
    except ssl.SSLError:
        return tls == "mutual"
    except OSError:
        return False


def hello_is_answered(connection):
    connection.sendall(HELLO)
    return len(connection.recv(16)) > 0


def main():
    (folder,) = sys.argv[1:]
    # Not in the terminal's group: Ctrl-C is for the test, whose end closes our input.
    if hasattr(os, "setsid"):
        os.setsid()
    keeper = Keeper(folder)
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


if __name__ == "__main__":
    main()
