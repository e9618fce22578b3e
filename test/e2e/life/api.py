"""bangerd's REST API as the tests of a VM's life use it: one connection per request, which may break."""

import http.client
import json
import socket
import urllib.parse

# Whoever waits longer than this has found a command that never ends.
PATIENCE = 900


class Gone(Exception):
    """The daemon went away: whether it did what was asked is not known."""


class Refused(Exception):
    """A definite no."""

    def __init__(self, code, message):
        super().__init__(f"{code}: {message}")
        self.code = code


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("banger", timeout=PATIENCE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Api:
    def __init__(self, path):
        self.path = path

    def request(self, method, target, body=None):
        """The decoded answer; text as it came when it is no JSON."""
        connection = UnixConnection(self.path)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, target, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read().decode(errors="replace")
        except TimeoutError as error:
            raise AssertionError(f"{method} {target}: no answer within {PATIENCE} s") from error
        except (OSError, http.client.HTTPException) as error:
            raise Gone(f"{method} {target}: {error}") from error
        finally:
            connection.close()
        if answer.status >= 400:
            error = json.loads(text)["error"]
            raise Refused(error["code"], error["message"])
        try:
            return json.loads(text) if text else None
        except json.JSONDecodeError:
            return text

    def send_and_leave(self, method, target, body=None):
        """A client that vanishes as soon as it has asked."""
        connection = UnixConnection(self.path)
        try:
            connection.request(method, target, None if body is None else json.dumps(body))
        except OSError:
            pass  # there was no daemon to ask
        finally:
            connection.close()

    def operate(self, method, target, body=None):
        """Asks for an operation and waits for its end; its result."""
        operation = self.request(method, target, body)
        try:
            ended = self.request("GET", f"/v1/operations/{operation['id']}?wait=true")
        except Refused as error:
            # Operations live as long as the daemon that was asked for them.
            raise Gone(f"{method} {target}: the daemon was restarted") from error
        if ended["state"] == "succeeded":
            return ended["result"]
        error = ended.get("error") or {"code": "cancelled", "message": ended["state"]}
        # What a daemon that ends cancels is as little known as what it did not answer.
        if error["code"] == "cancelled":
            raise Gone(f"{method} {target}: {error['message']}")
        raise Refused(error["code"], error["message"])

    def vms(self):
        return self.request("GET", "/v1/vms")

    def exec(self, vm, script):
        """Standard output of a shell in the guest; Refused unless it ends with status 0."""
        answer = self.request("POST", f"/v1/vms/{urllib.parse.quote(vm)}/exec",
                              {"command": ["/bin/sh", "-c", script]})
        lines = [answer] if isinstance(answer, dict) else [json.loads(line) for line in answer.splitlines()]
        if not lines or "exit_code" not in lines[-1]:
            raise Gone(f"exec in {vm}: {lines[-1:]}")
        if lines[-1]["exit_code"] != 0:
            raise Refused("exit", f"{script}: {lines}")
        return "".join(line.get("standard_out", "") for line in lines)
