"""A private registry: Debian's docker-registry with htpasswd behind TLS of its own CA, filled by skopeo.

usage: registry_login_test.py BUILD_DIRECTORY
"""
import base64
import hashlib
import io
import json
import os
import pathlib
import pty
import select
import shutil
import socket
import stat
import subprocess
import sys
import tarfile
import tempfile
import time
import unittest

BUILD = pathlib.Path(sys.argv.pop()).resolve()
USER = "reader"
SECRET = "pa:ss word-7Qz"
# bcrypt of SECRET, as `htpasswd -nbB` prints it.
HTPASSWD = "reader:$2y$05$abcdefghijklmnopqrstuuWQ.rClS9t9zz155iuujr8bu.Q/OV8FK\n"
CONTENT = b"from a private registry\n"
LIMIT = 60


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def run(*argv, **options):
    return subprocess.run(list(map(str, argv)), check=True, capture_output=True, text=True, timeout=LIMIT, **options)


def wait_until(condition, what):
    deadline = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited in vain for {what}")
        time.sleep(0.02)


class PrivateRegistry:
    """docker-registry on 127.0.0.1, known as localhost to its certificate."""

    def __init__(self, directory):
        self.directory = directory
        self.ca = directory / "ca.pem"
        self.host = f"localhost:{free_port()}"
        self.make_certificates()
        (directory / "htpasswd").write_text(HTPASSWD)
        (directory / "config.yml").write_text(f"""
version: 0.1
log: {{level: error, accesslog: {{disabled: true}}}}
storage: {{filesystem: {{rootdirectory: {directory}/storage}}}}
auth: {{htpasswd: {{realm: private, path: {directory}/htpasswd}}}}
http:
  addr: "{self.host.replace('localhost', '127.0.0.1')}"
  tls: {{certificate: {directory}/host.pem, key: {directory}/host.key}}
""")
        self.log = open(directory / "registry.log", "wb")
        self.process = subprocess.Popen(["docker-registry", "serve", str(directory / "config.yml")],
                                        stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        wait_until(self.answers, "docker-registry")

    def make_certificates(self):
        at = self.directory
        new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
        run("openssl", "req", "-x509", *new_key, "-keyout", at / "ca.key", "-out", self.ca, "-days", "2", "-subj", "/CN=test CA")
        run("openssl", "req", *new_key, "-keyout", at / "host.key", "-out", at / "host.csr", "-subj", "/CN=localhost")
        (at / "names").write_text("subjectAltName=DNS:localhost\n")
        run("openssl", "x509", "-req", "-in", at / "host.csr", "-CA", self.ca, "-CAkey", at / "ca.key", "-CAcreateserial",
            "-out", at / "host.pem", "-days", "2", "-extfile", at / "names")

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", int(self.host.rpartition(":")[2])), 1).close()
            return True
        except OSError:
            return False

    def push(self, source, name):
        certificates = self.directory / "certs"
        certificates.mkdir(exist_ok=True)
        shutil.copy(self.ca, certificates / "ca.crt")
        run("skopeo", "--insecure-policy", "copy", "-q", "--dest-cert-dir", certificates, "--dest-creds", f"{USER}:{SECRET}",
            source, f"docker://{self.host}/{name}")
        return f"{self.host}/{name}"

    def close(self):
        self.process.terminate()
        self.process.wait(LIMIT)
        self.log.close()


def make_image(directory):
    """A layout with one small image, of this test's making."""
    blobs = directory / "layout/blobs/sha256"
    blobs.mkdir(parents=True)

    def blob(kind, content):
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": f"sha256:{digest}", "size": len(content)}

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        entry = tarfile.TarInfo("hello")
        entry.size = len(CONTENT)
        tar.addfile(entry, io.BytesIO(CONTENT))
    layer = blob("layer.v1.tar", packed.getvalue())
    config = blob("config.v1+json", json.dumps({"architecture": "amd64", "os": "linux", "rootfs": {
        "type": "layers", "diff_ids": [layer["digest"]]}}).encode())
    manifest = blob("manifest.v1+json", json.dumps({"schemaVersion": 2, "config": config, "layers": [layer]}).encode())
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "v1"}
    (directory / "layout/index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (directory / "layout/oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return f"oci:{directory}/layout:v1"


HELPER = """#!/bin/sh
printf '%s ' "$1" >>"$HELPER_LOG"; cat >"$HELPER_LOG.in"; cat "$HELPER_LOG.in" >>"$HELPER_LOG"
case "$HELPER_MODE" in
    found) printf '{"ServerURL":"x","Username":"%s","Secret":"%s"}' "$HELPER_USER" "$HELPER_SECRET" ;;
    missing) echo 'credentials not found in native keychain'; exit 1 ;;
    broken) echo 'the key ring is locked' >&2; exit 2 ;;
    huge) head -c 1048576 /dev/zero ;;
    nonsense) echo "$HELPER_SECRET" ;;
    store) cp "$HELPER_LOG.in" "$HELPER_LOG.kept" ;;
esac
"""


class Login(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="banger-test-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        cls.registry = PrivateRegistry(cls.shared)
        cls.addClassCleanup(cls.registry.close)
        cls.reference = cls.registry.push(make_image(cls.shared), "team/app:v1")

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="banger-test-"))
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        for name in ("home", "run", "bin"):
            (self.dir / name).mkdir(mode=0o700)
        self.env = {"PATH": f"{self.dir}/bin:{os.environ['PATH']}", "HOME": str(self.dir / "home"),
                    "XDG_RUNTIME_DIR": str(self.dir / "run")}
        self.write_config(f'[registry."{self.registry.host}"]\nca = "{self.registry.ca}"\n')
        self.addCleanup(self.banger, "daemon", "stop")

    def path(self, name):
        return self.dir / name

    def write_config(self, text):
        config = self.path("home/.config/banger/config.toml")
        config.parent.mkdir(parents=True, exist_ok=True)
        config.write_text(text)

    def banger(self, *args, check=None, **options):
        options.setdefault("stdin", subprocess.DEVNULL)
        if "input" in options:
            options.pop("stdin")
        env = {**self.env, **options.pop("env", {})}
        done = subprocess.run([str(BUILD / "banger"), *map(str, args)], capture_output=True, text=True, timeout=LIMIT, env=env,
                              **options)
        if check is not None:
            self.assertEqual(done.returncode, check, f"banger {args}: {done.stdout}{done.stderr}")
        return done

    def log_in(self, **options):
        return self.banger("registry", "login", self.registry.host, "-u", USER, "--password-stdin", input=SECRET + "\n", **options)

    def pull(self, check, *args, **options):
        return self.banger("image", "pull", *args, self.reference, check=check, **options)

    def write_auths(self, path, host=None, login=f"{USER}:{SECRET}", **more):
        path = self.path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        entry = {"auth": base64.b64encode(login.encode()).decode()}
        path.write_text(json.dumps({"auths": {host or self.registry.host: entry}, **more}))
        return path

    def write_helper(self, name="test"):
        program = self.path(f"bin/docker-credential-{name}")
        program.write_text(HELPER)
        program.chmod(0o755)
        self.env.update(HELPER_LOG=str(self.path("helper.log")), HELPER_USER=USER, HELPER_SECRET=SECRET)
        docker = self.path("home/.docker/config.json")
        docker.parent.mkdir(exist_ok=True)
        docker.write_text(json.dumps({"auths": {}, "credHelpers": {self.registry.host: name}}))

    def test_an_anonymous_pull_is_refused_with_the_way_in(self):
        """[R1] [R3]"""
        failed = self.pull(1)
        self.assertIn("wants a login; 'banger registry login " + self.registry.host, failed.stderr)

    def test_a_login_opens_the_registry_and_a_logout_closes_it(self):
        """[R3]"""
        self.log_in(check=0)
        auth = self.path("home/.config/containers/auth.json")
        self.assertEqual(stat.S_IMODE(auth.stat().st_mode), 0o600)
        login = base64.b64encode(f"{USER}:{SECRET}".encode()).decode()
        self.assertEqual(json.loads(auth.read_text()), {"auths": {self.registry.host: {"auth": login}}})
        self.pull(0)
        self.banger("registry", "logout", self.registry.host, check=0)
        self.assertEqual(json.loads(auth.read_text()), {"auths": {}})
        self.pull(1, "--name", "again")
        self.assertEqual(self.banger("registry", "logout", self.registry.host).returncode, 1)

    def test_what_banger_keeps_skopeo_can_use(self):
        self.log_in(check=0)
        run("skopeo", "inspect", "--cert-dir", self.shared / "certs", "--authfile", self.path("home/.config/containers/auth.json"),
            f"docker://{self.reference}", env=self.env)

    def test_a_wrong_password_is_refused_and_not_kept(self):
        failed = self.banger("registry", "login", self.registry.host, "-u", USER, "--password-stdin", input="wrong-2Kd")
        self.assertEqual(failed.returncode, 1)
        self.assertIn("refuse", failed.stderr)
        self.assertNotIn("wrong-2Kd", failed.stderr + failed.stdout)
        self.assertFalse(self.path("home/.config/containers").exists())

    def test_a_login_goes_where_logins_are_already_and_leaves_the_rest(self):
        docker = self.path("home/.docker/config.json")
        docker.parent.mkdir()
        target = self.path("home/dotfiles.json")
        target.write_text('{"psFormat": "x", "auths": {"other.example": {"auth": "YTpi"}}}')
        docker.symlink_to(target)
        self.log_in(check=0)
        kept = json.loads(target.read_text())
        self.assertTrue(docker.is_symlink())
        self.assertEqual(kept["psFormat"], "x")
        self.assertEqual(set(kept["auths"]), {"other.example", self.registry.host})
        self.assertFalse(self.path("home/.config/containers").exists())
        self.pull(0)
        self.banger("registry", "logout", self.registry.host, check=0)
        self.assertEqual(set(json.loads(target.read_text())["auths"]), {"other.example"})

    def test_every_place_is_looked_into_in_its_order(self):
        """[R3]"""
        places = [("elsewhere.json", {"REGISTRY_AUTH_FILE": str(self.path("elsewhere.json"))}),
                  ("run/containers/auth.json", {}),
                  ("xdg/containers/auth.json", {"XDG_CONFIG_HOME": str(self.path("xdg"))}),
                  ("docker/config.json", {"DOCKER_CONFIG": str(self.path("docker"))}),
                  ("home/.docker/config.json", {})]
        for number, (place, env) in enumerate(places):
            with self.subTest(place=place):
                file = self.write_auths(place, host=f"{self.registry.host}/team")
                # The command finds the login; the daemon that answers is the same one.
                self.pull(0, "--name", f"place{number}", env=env)
                file.unlink()
        self.write_auths("home/.docker/config.json")
        self.write_auths("run/containers/auth.json", login=f"{USER}:wrong")
        self.pull(1, "--name", "first")

    def test_a_broken_file_is_named_and_not_shown(self):
        file = self.write_auths("run/containers/auth.json")
        file.write_text(f'{{"auths": {{"x": {{"auth": "{SECRET}"}}}}}}')
        failed = self.pull(1)
        self.assertIn(str(file), failed.stderr)
        self.assertNotIn(SECRET, failed.stderr)

    def test_a_helper_gives_the_login(self):
        """[R5]"""
        self.write_helper()
        self.pull(0, env={"HELPER_MODE": "found"})
        self.assertEqual(self.path("helper.log").read_text(), f"get {self.registry.host}\n")

    def test_a_helper_that_has_none_or_fails_is_done_without(self):
        """[R5]"""
        self.write_helper()
        for mode, words in (("missing", ""), ("broken", "exit status 2: the key ring is locked"),
                            ("huge", "more than 65536 bytes"), ("nonsense", "no login in JSON")):
            with self.subTest(mode=mode):
                failed = self.pull(1, env={"HELPER_MODE": mode})
                self.assertIn("wants a login", failed.stderr)
                self.assertIn(words, failed.stderr)
                self.assertEqual("going on without it" in failed.stderr, mode != "missing")
                self.assertNotIn(SECRET, failed.stderr)
        self.path("bin/docker-credential-test").unlink()
        self.assertIn("docker-credential-test", self.pull(1).stderr)

    def test_a_helper_that_hangs_is_ended(self):
        """[R5]"""
        self.write_helper()
        self.path("bin/docker-credential-test").write_text("#!/bin/sh\nsleep 1000\n")
        failed = self.pull(1)
        self.assertIn("docker-credential-test did not end within 30 s", failed.stderr)

    def test_a_helper_keeps_and_forgets_the_login(self):
        self.write_helper()
        self.log_in(env={"HELPER_MODE": "store"}, check=0)
        kept = json.loads(self.path("helper.log.kept").read_text())
        self.assertEqual(kept, {"ServerURL": self.registry.host, "Username": USER, "Secret": SECRET})
        self.assertEqual(json.loads(self.path("home/.docker/config.json").read_text())["auths"], {self.registry.host: {}})
        self.banger("registry", "logout", self.registry.host, env={"HELPER_MODE": "found"}, check=0)
        self.assertTrue(self.path("helper.log").read_text().endswith(f"erase {self.registry.host}\n"))

    def test_the_password_is_asked_for_without_an_echo(self):
        leader, terminal = pty.openpty()
        self.addCleanup(os.close, leader)
        process = subprocess.Popen([BUILD / "banger", "registry", "login", self.registry.host], env=self.env, stdin=terminal,
                                   stdout=terminal, stderr=terminal, start_new_session=True)
        os.close(terminal)
        seen = b""

        def read_until(words):
            nonlocal seen
            while words not in seen:
                self.assertTrue(select.select([leader], [], [], LIMIT)[0], f"{words} did not come, only {seen}")
                seen += os.read(leader, 4096)

        read_until(b"user name: ")
        os.write(leader, USER.encode() + b"\n")
        read_until(b"password: ")
        os.write(leader, SECRET.encode() + b"\n")
        read_until(b"logged in to")
        self.assertEqual(process.wait(LIMIT), 0)
        self.assertNotIn(SECRET.encode(), seen)
        self.assertIn(USER.encode(), seen)

    def test_a_password_is_not_asked_for_where_nobody_can_answer(self):
        failed = self.banger("registry", "login", self.registry.host, "-u", USER)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("--password-stdin", failed.stderr)

    def test_a_certificate_counts_for_its_registry_only(self):
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x",
            "-keyout", self.path("x.key"), "-out", self.path("home/.config/banger/x.pem"))
        self.write_config(f'[registry."{self.registry.host}"]\nca = "x.pem"\n'
                          f'[registry."other.example"]\nca = "{self.registry.ca}"\n')
        self.write_auths("run/containers/auth.json")
        self.assertIn("its certificate is not trusted", self.pull(1).stderr)

    def request(self, method, path, body=None, key=None):
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(LIMIT)
            client.connect(str(self.path("run/banger/bangerd.sock")))
            text = json.dumps(body) if body is not None else ""
            head = f"{method} {path} HTTP/1.0\r\nContent-Length: {len(text.encode())}\r\n"
            head += f"Idempotency-Key: {key}\r\n" if key else ""
            client.sendall(f"{head}\r\n{text}".encode())
            answer = b"".join(iter(lambda: client.recv(65536), b""))
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]), json.loads(body)

    def daemon_memory_free_places(self):
        """Everything of the daemon's that could outlive the request, as (name, bytes)."""
        for tree in ("home", "run"):
            for file in self.path(tree).rglob("*"):
                if file.is_file() and not file.is_symlink():
                    yield str(file), file.read_bytes()
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    yield f"{entry}/cmdline", (entry / "cmdline").read_bytes()
                except OSError:
                    pass
        yield "operations", json.dumps(self.request("GET", "/v1/operations")).encode()
        yield "metrics and daemon", json.dumps(self.request("GET", "/v1/daemon")).encode()

    def test_the_secret_is_nowhere_but_in_memory(self):
        self.write_config(f'log_level = "trace"\n[registry."{self.registry.host}"]\nca = "{self.registry.ca}"\n')
        self.banger("daemon", "start", check=0)
        right = {"username": USER, "password": SECRET}
        wrong = {"username": USER, "password": SECRET + "-wrong"}
        seen = []
        for number, auth in enumerate((right, wrong, {"identity_token": SECRET}, {"registry_token": SECRET.replace(" ", "")})):
            for path, body in (("/v1/images", {"reference": self.reference, "name": f"n{number}"}),
                               ("/v1/vms", {"name": f"v{number}", "image": self.reference.replace("v1", f"t{number}"), "kernel": "k"}),
                               ("/v1/registries/check", {"registry": self.registry.host})):
                status, answer = self.request("POST", path, {**body, "registry_auth": auth}, key=f"key-{number}-{path}")
                if status == 202:
                    answer = self.request("GET", f"/v1/operations/{answer['id']}?wait=true")[1]
                seen.append(json.dumps(answer))
        states = [json.loads(answer).get("state") for answer in seen]
        self.assertEqual(states[0], "succeeded", seen[0])
        self.assertEqual(states[3], "failed")
        # Also what cannot be read as a request must not come back.
        seen.append(json.dumps(self.request("POST", "/v1/images", {"reference": "x", "registry_auth": {"password": [SECRET]}})))
        seen.append(json.dumps(self.request("POST", "/v1/images", {"reference": "x", "registry_auth": SECRET})))
        forms = [SECRET, SECRET.replace(" ", ""), base64.b64encode(f"{USER}:{SECRET}".encode()).decode(),
                 base64.b64encode(SECRET.encode()).decode().rstrip("=")]
        for name, content in [*self.daemon_memory_free_places(), *((f"answer {i}", text.encode()) for i, text in enumerate(seen))]:
            for form in forms:
                self.assertNotIn(form.encode(), content, name)

    def test_a_client_without_credentials_gets_nothing_of_a_pull_under_way(self):
        self.banger("daemon", "start", check=0)
        started = self.request("POST", "/v1/images", {"reference": self.reference, "name": "a",
                                                      "registry_auth": {"username": USER, "password": SECRET}})
        status, other = self.request("POST", "/v1/images", {"reference": self.reference, "name": "b"})
        self.assertEqual((started[0], status), (202, 202))
        ended = self.request("GET", f"/v1/operations/{other['id']}?wait=true")[1]
        self.assertEqual(ended["state"], "failed")
        self.assertEqual(ended["error"]["code"], "unauthorized")
        self.assertEqual(self.request("GET", f"/v1/operations/{started[1]['id']}?wait=true")[1]["state"], "succeeded")
        self.assertEqual([image["name"] for image in self.request("GET", "/v1/images")[1]], ["a"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
