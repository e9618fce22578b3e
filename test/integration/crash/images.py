"""Two small images with a layer in common, written by hand as an OCI layout: the same bytes every time."""

import gzip
import hashlib
import io
import json
import pathlib
import random
import tarfile

MEDIA = "application/vnd.oci.image."


def entry(tar, name, data=b"", **fields):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o755
    for field, value in fields.items():
        setattr(info, field, value)
    tar.addfile(info, io.BytesIO(data))


def layer(seed, files):
    """Directories, small files, links, one larger file that no compression makes small."""
    noise = random.Random(seed)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for i in range(files):
            if i % 16 == 0:
                entry(tar, f"{seed}/{i}", type=tarfile.DIRTYPE)
            entry(tar, f"{seed}/{i - i % 16}/file{i}", noise.randbytes(noise.randrange(9000)))
        entry(tar, f"{seed}/large", noise.randbytes(600_000))
        entry(tar, f"{seed}/hard", type=tarfile.LNKTYPE, linkname=f"{seed}/large")
        entry(tar, f"{seed}/soft", type=tarfile.SYMTYPE, linkname="large")
        entry(tar, "etc", type=tarfile.DIRTYPE)
        entry(tar, "etc/last-layer", seed.encode())
    return buffer.getvalue()


class Layout:
    def __init__(self, directory):
        self.path = pathlib.Path(directory)
        (self.path / "blobs/sha256").mkdir(parents=True)
        (self.path / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self.manifests = []

    def blob(self, kind, data):
        digest = hashlib.sha256(data).hexdigest()
        (self.path / "blobs/sha256" / digest).write_bytes(data)
        return {"mediaType": MEDIA + kind, "digest": "sha256:" + digest, "size": len(data)}

    def add(self, tag, tars):
        layers = [self.blob("layer.v1.tar+gzip", gzip.compress(tar, 6, mtime=0)) for tar in tars]
        config = {"architecture": "amd64", "os": "linux", "created": "2024-01-01T00:00:00Z",
                  "config": {"Cmd": ["/bin/sh"]},
                  "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(tar).hexdigest()
                                                            for tar in tars]}}
        manifest = {"schemaVersion": 2, "mediaType": MEDIA + "manifest.v1+json", "layers": layers,
                    "config": self.blob("config.v1+json", json.dumps(config).encode())}
        self.manifests.append({**self.blob("manifest.v1+json", json.dumps(manifest).encode()),
                               "annotations": {"org.opencontainers.image.ref.name": tag}})
        (self.path / "index.json").write_text(
            json.dumps({"schemaVersion": 2, "manifests": self.manifests}))


def make_layout(directory):
    """The tags `a` (three layers) and `b` (two, the first of them a's)."""
    layout = Layout(directory)
    first = layer("first", 100)
    layout.add("a", [first, layer("second", 60), layer("third", 20)])
    layout.add("b", [first, layer("fourth", 40)])
    return layout
