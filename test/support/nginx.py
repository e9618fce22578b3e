"""Debian's nginx on a loopback port: the web, for what a test publishes."""

import pathlib
import socket
import subprocess
import time


class Nginx:
    """Serves `directory` at `url`, with ranges; a file `access.log` beside its configuration lists the requests."""

    def __init__(self, directory, work):
        work = pathlib.Path(work)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.access_log = work / "access.log"
        config = work / "nginx.conf"
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        temporary = "\n  ".join(f"{kind}_temp_path {work}/nginx-{kind};" for kind in kinds)
        # One process, as whoever runs the test: its directory is nobody else's to read.
        config.write_text(f"""daemon off; master_process off; pid {work}/nginx.pid; error_log {work}/error.log;
events {{}}
http {{
  access_log {self.access_log};
  {temporary}
  server {{ listen 127.0.0.1:{port}; root {directory}; }}
}}
""")
        self.process = subprocess.Popen(["/usr/sbin/nginx", "-e", work / "error.log", "-c", config],
                                        stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 60
        while True:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.close()
                raise AssertionError((work / "error.log").read_text())
            time.sleep(0.05)

    def close(self):
        self.process.terminate()
        self.process.wait(30)
