"""Keeps one AWS emulator for a test process, and calls its services by botocore, AWS's own client for Python."""

import base64
import datetime
import http.client
import os
import signal
import sys

import keeper


class Keeper(keeper.Keeper):
    def __init__(self, folder):
        super().__init__(folder)
        self.clients = {}
        self.settings = {}
        self.requests |= {"start": self.start, "call": self.call, "kill_function": self.kill_function}

    def start(self, port, environment):
        temporary = os.path.join(self.folder, "tmp")
        os.makedirs(temporary, exist_ok=True)
        # The functions inherit this: nothing of the user's own may reach them.
        own = {name: os.environ[name] for name in ("PATH", "LANG", "LLVM_PROFILE_FILE") if name in os.environ}
        own |= {"HOME": self.folder, "TMPDIR": temporary, "PYTHONUNBUFFERED": "1"}
        own |= {
            "GATEWAY_PORT": str(port),
            "BIND_HOST": "127.0.0.1",
            "S3_DATA_DIR": os.path.join(self.folder, "s3"),
            "STATE_DIR": os.path.join(self.folder, "state"),
            # They would listen on fixed ports, which only one emulator of the machine could have.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        self.settings = environment
        self.start_server([sys.executable, "-m", "ministack"], own | environment, lambda: is_healthy(port))

    def call(self, service, operation, parameters, credentials=None):
        """Calls an operation; bytes in the reply become text if they are that, else base64."""
        own = {"AccessKeyId": self.settings["AWS_ACCESS_KEY_ID"], "SecretAccessKey": self.settings["AWS_SECRET_ACCESS_KEY"]}
        return plain(getattr(self.client(service, credentials or own), operation)(**parameters))

    def client(self, service, credentials):
        import botocore.config
        import botocore.session

        client = (service, credentials["AccessKeyId"])
        if client not in self.clients:
            config = botocore.config.Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, read_timeout=600)
            self.clients[client] = botocore.session.get_session().create_client(
                service,
                endpoint_url=self.settings["AWS_ENDPOINT_URL"],
                region_name=self.settings["AWS_REGION"],
                aws_access_key_id=credentials["AccessKeyId"],
                aws_secret_access_key=credentials["SecretAccessKey"],
                aws_session_token=credentials.get("SessionToken"),
                config=config,
            )
        return self.clients[client]

    def kill_function(self, name):
        """Kills what runs of a function, as a lack of memory would; says how many that were."""
        killed = 0
        for process in filter(str.isdigit, os.listdir("/proc")):
            try:
                if os.getpgid(int(process)) != self.server.pid:
                    continue
                with open(f"/proc/{process}/environ", "rb") as environment:
                    if f"AWS_LAMBDA_FUNCTION_NAME={name}".encode() in environment.read().split(b"\0"):
                        os.kill(int(process), signal.SIGKILL)
                        killed += 1
            except (ProcessLookupError, FileNotFoundError):
                # It ended by itself.
                pass
        return killed


def plain(value):
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items() if key != "ResponseMetadata"}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    if hasattr(value, "read"):
        value = value.read()
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return base64.b64encode(value).decode()
    return value


def is_healthy(port):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


if __name__ == "__main__":
    keeper.keep(Keeper)
