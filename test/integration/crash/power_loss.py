"""What a power loss would have left of the files, after every line of kill_at_syscall's log.

The model promises less than any file system does: the bytes of a file are on disk up to its last fsync, the
entries of a directory up to the directory's own last fsync, and a sync says nothing about what came after it was
called. What was not synced is lost, or kept, each operation for itself; a rename happens wholly or not at all.
"""

import hashlib
import os
import pathlib

PAGE = 4096


class Node:
    """A file or a directory: the operations on it, and how many of them are on disk for certain."""

    def __init__(self, number, is_directory):
        self.number = number
        self.is_directory = is_directory
        self.operations = []  # (line of the log, what it does)
        self.synced = 0
        self.names = {}  # a directory's entries as the running system sees them

    def sync(self, since):
        done = sum(1 for line, _ in self.operations if line < since)
        self.synced = max(self.synced, done)


class Disk:
    """The log, line by line, from an empty directory on."""

    def __init__(self, root, log):
        self.root = os.path.normpath(root)
        self.root_inode = str(os.stat(root).st_ino)
        self.lines = pathlib.Path(log).read_text().splitlines()
        self.data = pathlib.Path(str(log) + ".data").read_bytes()
        self.reset()

    def reset(self):
        self.data_used = 0
        self.top = Node(0, True)
        self.made = 1
        self.by_inode = {}
        self.done = 0
        self.marks = 0

    def step(self):
        kind, since, *fields = self.lines[self.done].split("\t")
        assert kind != "unmodelled", f"the model has no word for {fields}"
        if kind == "sync":
            self.file(fields[0]).sync(int(since))
        else:
            getattr(self, kind)(*fields)
        self.done += 1

    def file(self, inode):
        return self.top if inode == self.root_inode else self.by_inode[inode]

    def place(self, path):
        """The directory that `path` is in, and its name there."""
        inner = os.path.relpath(path, self.root).split("/")
        node = self.top
        for name in inner[:-1]:
            node = node.names[name]
        return node, inner[-1]

    def enter(self, directory, entries):
        directory.operations.append((self.done, entries))
        for name, node in entries.items():
            if node is None:
                directory.names.pop(name, None)
            else:
                directory.names[name] = node

    def new_node(self, inode, path, is_directory):
        node = self.by_inode[inode] = Node(self.made, is_directory)
        self.made += 1
        directory, name = self.place(path)
        self.enter(directory, {name: node})

    def create(self, inode, path):
        self.new_node(inode, path, False)

    def mkdir(self, inode, path):
        self.new_node(inode, path, True)

    def unlink(self, path):
        directory, name = self.place(path)
        self.enter(directory, {name: None})

    def rename(self, path, to):
        old, old_name = self.place(path)
        new, new_name = self.place(to)
        assert old is new, f"the model has no word for a rename from {path} to {to}"
        self.enter(old, {old_name: None, new_name: old.names[old_name]})

    def exchange(self, path, to):
        old, old_name = self.place(path)
        new, new_name = self.place(to)
        assert old is new, f"the model has no word for an exchange of {path} and {to}"
        self.enter(old, {old_name: old.names[new_name], new_name: old.names[old_name]})

    def write(self, inode, offset, size):
        data = self.data[self.data_used:self.data_used + int(size)]
        self.data_used += int(size)
        self.change(inode, ("write", int(offset), data))

    def size(self, inode, size):
        self.change(inode, ("size", int(size)))

    def grow(self, inode, size):
        self.change(inode, ("grow", int(size)))

    def punch(self, inode, offset, size):
        self.change(inode, ("punch", int(offset), int(size)))

    def zero(self, inode, offset, size):
        self.change(inode, ("zero", int(offset), int(size)))

    def change(self, inode, what):
        self.file(inode).operations.append((self.done, what))

    def mark(self):
        self.marks += 1


def chance(*of):
    """The same number between 0 and 1 for the same arguments."""
    return int.from_bytes(hashlib.sha256(repr(of).encode()).digest()[:4], "big") / 2**32


class Fate:
    """What becomes of the operations that nobody synced."""

    def __init__(self, name, names, data, pages=None):
        self.name = name
        self.keeps_entry = names  # (line) -> bool
        self.keeps_data = data
        self.keeps_page = pages  # (line, offset) -> bool: of a write that is kept, which pages are

    def kept(self, node):
        keeps = self.keeps_entry if node.is_directory else self.keeps_data
        return node.operations[:node.synced] + [operation for operation in node.operations[node.synced:]
                                                if keeps(operation[0])]

    def pages(self, node, operation):
        """The pieces of a write that reach the disk."""
        line, (_, offset, data) = operation
        if self.keeps_page is None or operation in node.operations[:node.synced]:
            return [(offset, data)]
        return [(offset + at, data[at:at + PAGE]) for at in range(0, len(data), PAGE)
                if self.keeps_page(line, at)]


def fates(seed):
    def yes(*_):
        return True

    def no(*_):
        return False

    return (
        Fate("all is lost", no, no),
        Fate("all is kept", yes, yes),
        # A file that has its name, and nothing in it.
        Fate("names are kept", yes, no),
        Fate("data is kept", no, yes),
        Fate("half is kept", lambda line: chance(seed, "half", line) < 0.5,
             lambda line: chance(seed, "half", line) < 0.5),
        Fate("writes are torn", yes, yes, lambda line, at: chance(seed, "torn", line, at) < 0.5),
    )


class Picture:
    """The directory as `fate` leaves it now."""

    def __init__(self, disk, fate):
        self.fate = fate
        self.files = []  # (path, node, operations); directories have None
        self.walk(disk.top, "")

    def walk(self, node, path):
        names = {}
        for _, entries in self.fate.kept(node):
            names.update(entries)
        for name, child in sorted(names.items()):
            if child is None:
                continue
            inner = f"{path}/{name}"
            if child.is_directory:
                self.files.append((inner, child, None))
                self.walk(child, inner)
            else:
                self.files.append((inner, child, self.fate.kept(child)))

    def key(self):
        """Equal for pictures with the same content."""
        parts = []
        for path, node, operations in self.files:
            lines = None if operations is None else tuple(line for line, _ in operations)
            torn = self.fate.keeps_page and operations and len(operations) > node.synced
            parts.append((path, node.number, lines, node.synced if torn else None))
        return tuple(parts)

    def paint(self, directory):
        os.mkdir(directory, 0o700)
        for path, node, operations in self.files:
            if operations is None:
                os.mkdir(f"{directory}{path}", 0o700)
            else:
                self.paint_file(f"{directory}{path}", node, operations)

    def paint_file(self, path, node, operations):
        with open(path, "xb", buffering=0) as file:
            for operation in operations:
                kind, at, *rest = operation[1]
                if kind == "write":
                    for offset, data in self.fate.pages(node, operation):
                        os.pwrite(file.fileno(), data, offset)
                elif kind == "size":
                    file.truncate(at)
                elif kind == "grow":
                    file.truncate(max(at, os.path.getsize(path)))
                else:
                    size = os.path.getsize(path)
                    if kind == "zero" and at + rest[0] > size:
                        size = at + rest[0]
                        file.truncate(size)
                    os.pwrite(file.fileno(), bytes(max(0, min(at + rest[0], size) - at)), at)
