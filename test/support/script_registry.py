"""A registry in the test's own process that counts what it is asked for and can be made to wait, and the images in it."""

import gzip
import hashlib
import http.server
import io
import json
import tarfile
import threading

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
PIECE = 64 * 1024


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def tar(files):
    """A tar of {name: bytes}, the same bytes every time."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def config_of(tars):
    return json.dumps({"architecture": "amd64", "os": "linux", "config": {"Cmd": ["/bin/sh"]},
                       "rootfs": {"type": "layers", "diff_ids": [digest_of(t) for t in tars]}}).encode()


def docker_archive(tars, name=None):
    """What `docker save` writes of an image with these layers."""
    config = config_of(tars)
    files = {f"{i}/layer.tar": content for i, content in enumerate(tars)}
    files["config.json"] = config
    files["manifest.json"] = json.dumps([{"Config": "config.json", "RepoTags": [name] if name else None,
                                          "Layers": [f"{i}/layer.tar" for i in range(len(tars))]}]).encode()
    return tar(files)


class ScriptRegistry:
    """On a loopback port, plain HTTP. `requests` has (method, path) of all it was asked for."""

    def __init__(self):
        self.requests = []
        self.documents = {}  # by "repository/manifests/reference": (type, bytes)
        self.blobs = {}
        self.go_on = threading.Event()  # while clear, blobs stop half-way
        self.go_on.set()
        self.heads = threading.Event()  # while clear, a HEAD gets no answer
        self.heads.set()
        self.sent = 0  # bytes of layers
        self.gone = 0  # clients that went away during a blob
        self.lock = threading.Lock()
        registry = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                registry.answer(self)

            do_HEAD = do_GET

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    def close(self):
        self.go_on.set()
        self.heads.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def image(self, name, tars):
        """Puts an index with one image there, as registries have it; "app:v1" -> its full reference."""
        layers = []
        for content in tars:
            blob = gzip.compress(content, 1, mtime=0)
            self.blobs[digest_of(blob)] = blob
            layers.append({"mediaType": LAYER, "digest": digest_of(blob), "size": len(blob)})
        config = config_of(tars)
        self.blobs[digest_of(config)] = config
        manifest = json.dumps({"schemaVersion": 2, "mediaType": MANIFEST,
                               "config": {"mediaType": CONFIG, "digest": digest_of(config), "size": len(config)},
                               "layers": layers}).encode()
        index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": [
            {"mediaType": MANIFEST, "digest": digest_of(manifest), "size": len(manifest),
             "platform": {"os": "linux", "architecture": "amd64"}}]}).encode()
        repository, tag = name.split(":")
        self.documents[f"{repository}/manifests/{tag}"] = (INDEX, index)
        self.documents[f"{repository}/manifests/{digest_of(manifest)}"] = (MANIFEST, manifest)
        return f"{self.host}/{name}"

    def asked(self, *parts):
        """Requests since the last clear() whose "METHOD path" contains all parts."""
        with self.lock:
            lines = [f"{method} {path}" for method, path in self.requests]
        return [line for line in lines if all(part in line for part in parts)]

    def clear(self):
        with self.lock:
            self.requests.clear()

    def answer(self, handler):
        with self.lock:
            self.requests.append((handler.command, handler.path))
        if handler.command == "HEAD":
            self.heads.wait()
        path = handler.path.removeprefix("/v2/")
        if not path:  # whether this is a registry at all
            self.documents.setdefault(path, ("application/json", b"{}"))
        kind, content = self.documents.get(path) or ("application/octet-stream",
                                                     self.blobs.get(path.rpartition("/blobs/")[2]))
        start = int(handler.headers.get("Range", "bytes=0-").removeprefix("bytes=").removesuffix("-"))
        handler.send_response(404 if content is None else 206 if start else 200)
        content = content or b"{}"
        if start:
            handler.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content) - start))
        handler.send_header("Docker-Content-Digest", digest_of(content))
        handler.end_headers()
        if handler.command == "HEAD":
            return
        self.send(handler, content, start, is_layer="/blobs/" in path and len(content) > PIECE)

    def write(self, handler, content):
        """Piece by piece, so that what a client that has gone did not take is not counted as sent."""
        for at in range(0, len(content), PIECE):
            piece = content[at:at + PIECE]
            handler.wfile.write(piece)
            with self.lock:
                self.sent += len(piece)

    def send(self, handler, content, start, is_layer):
        half = max(len(content) // 2, start) if is_layer else start
        try:
            self.write(handler, content[start:half])
            handler.wfile.flush()
            while is_layer and not self.go_on.wait(0.02):
                # Nothing comes from a client that waits for the rest but its end.
                handler.connection.settimeout(0.001)
                try:
                    if handler.connection.recv(1) == b"":
                        raise ConnectionError("gone")
                except TimeoutError:
                    pass
                handler.connection.settimeout(None)
            self.write(handler, content[half:])
        except OSError:
            with self.lock:
                self.gone += 1
            handler.close_connection = True
