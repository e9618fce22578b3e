"""Compares two extracted trees: everything that a file system keeps of a file."""

import contextlib
import hashlib
import os
import stat
import subprocess
import tempfile


@contextlib.contextmanager
def mounted(image):
    """An ext4 image, read-only, by a loop device."""
    with tempfile.TemporaryDirectory(prefix="bmnt-") as at:
        subprocess.run(["mount", "-o", "loop,ro,noload", image, at], check=True)
        try:
            yield at
        finally:
            subprocess.run(["umount", at], check=True)


def describe(root):
    """{path: everything}, hard links by the first path of their group."""
    found, groups = {}, {}
    for directory, names, files in os.walk(root, followlinks=False):
        names.sort()
        for name in sorted(names + files):
            path = os.path.join(directory, name)
            relative = os.path.relpath(path, root)
            if relative == "lost+found":
                continue
            status = os.lstat(path)
            content = None
            if stat.S_ISREG(status.st_mode):
                with open(path, "rb") as file:
                    content = (status.st_size, hashlib.file_digest(file, "sha256").digest())
            elif stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISCHR(status.st_mode) or stat.S_ISBLK(status.st_mode):
                content = status.st_rdev
            attributes = sorted((name, os.getxattr(path, name, follow_symlinks=False))
                                for name in os.listxattr(path, follow_symlinks=False))
            links = 0 if stat.S_ISDIR(status.st_mode) else status.st_nlink
            group = groups.setdefault(status.st_ino, relative) if links > 1 else None
            found[relative] = (status.st_mode, status.st_uid, status.st_gid, status.st_mtime_ns,
                               links, group, content, attributes)
    return found


def differences(theirs, ours):
    """Paths that are not the same in both."""
    theirs, ours = describe(theirs), describe(ours)
    return sorted(path for path in theirs.keys() | ours.keys() if theirs.get(path) != ours.get(path))
