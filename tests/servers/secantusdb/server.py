"""Keeps one MongoDB-compatible server for a test process, and runs commands on it with pymongo."""

import json
import os
import socket
import ssl
import struct
import sys

import keeper

# {hello: 1, $db: "admin"} as an OP_MSG.
HELLO_BODY = b"\x10hello\x00\x01\x00\x00\x00\x02$db\x00\x06\x00\x00\x00admin\x00\x00"
HELLO_DOCUMENT = struct.pack("<i", len(HELLO_BODY) + 4) + HELLO_BODY
HELLO = struct.pack("<iiiiib", 21 + len(HELLO_DOCUMENT), 1, 0, 2013, 0, 0) + HELLO_DOCUMENT


class Keeper(keeper.Keeper):
    def __init__(self, folder):
        super().__init__(folder)
        self.client = None
        self.client_uri = None
        self.requests |= {"start": self.start, "command": self.command, "find": self.find}

    def start(self, port, tls, arguments):
        command = [sys.executable, "-m", "secantus", "--host", "127.0.0.1", "--port", str(port)]
        command += ["--storage-path", os.path.join(self.folder, "storage")] + arguments
        # Neither the user's own settings nor those of the folder the test runs in.
        environment = dict(os.environ, HOME=self.folder, PYTHONUNBUFFERED="1")
        self.start_server(command, environment, lambda: says_hello(port, tls))

    def end(self, with_signal):
        self.forget_client()
        super().end(with_signal)

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


if __name__ == "__main__":
    keeper.keep(Keeper)
