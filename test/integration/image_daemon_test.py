"""Images through the real bangerd: archives on standard input, many clients at once, the cache, a full disk.

usage: BANGER_BIN=DIRECTORY image_daemon_test.py
"""

import concurrent.futures
import gzip
import json
import os
import pathlib
import random
import signal
import subprocess
import sys
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE.parent / "e2e"), str(HERE.parent / "support")]

import harness  # noqa: E402
import script_registry  # noqa: E402
from harness import wait_until  # noqa: E402

STOP_SECONDS = 15  # far less on an idle machine; what is waited for would never end by itself


def noise(size, seed):
    return random.Random(seed).randbytes(size)


class ImageCase(unittest.TestCase):
    def setUp(self):
        self.home = harness.Home()
        self.addCleanup(self.end)
        self.configure(accelerator="tcg")
        self.registry = script_registry.ScriptRegistry()
        self.addCleanup(self.registry.close)

    def end(self):
        left, sockets = self.home.destroy()
        self.assertEqual((left, sockets), ([], []))

    def configure(self, **settings):
        for key, value in settings.items():
            self.home.banger("config", "set", key, value, check=0)

    def curl(self, path, *options, **more):
        done = subprocess.run(["curl", "-sS", "--unix-socket", str(self.home.socket), *options, "http://banger" + path],
                              check=True, stdout=subprocess.PIPE, timeout=60, **more)
        return json.loads(done.stdout) if done.stdout else None

    def start_pull(self, reference, **more):
        return self.curl("/v1/images", "-d", json.dumps({"reference": reference, **more}))["id"]

    def end_of(self, operation):
        return self.curl(f"/v1/operations/{operation}?wait=true")

    def images(self):
        return {image["name"]: image for image in self.home.json("image", "list")}

    def open_spools(self):
        """Files without a name that the daemon holds open."""
        fds = pathlib.Path(f"/proc/{self.home.daemon_pid()}/fd")
        return [link for link in map(read_link, fds.iterdir()) if "(deleted)" in link]

    def assert_nothing_left(self):
        self.assertEqual(self.home.half_made(), [])
        self.assertEqual(self.open_spools(), [])


def read_link(path):
    try:
        return os.readlink(path)
    except OSError:
        return ""


class StandardInput(ImageCase):
    layers = [script_registry.tar({"etc/a": b"a", "big": noise(3_000_000, 1)}), script_registry.tar({"etc/b": b"b"})]

    def send(self, archive, *args, **options):
        return self.home.banger("image", "pull", *args, input=archive, text=False, **options)

    def test_an_archive_on_standard_input_becomes_an_image(self):
        archive = script_registry.docker_archive(self.layers, "quay.io/a/app:v1")
        self.send(archive, "-", check=0)
        self.send(gzip.compress(archive, 1), "docker-archive:-", "--name", "zipped", check=0)
        self.send(archive, "docker-archive:-:quay.io/a/app:v1", "--name", "chosen", "--size", "2G", check=0)
        self.send(archive, "-", "--name", "kernel", "--kernel-ref", "generic+6.12", check=0)
        nameless = script_registry.docker_archive(self.layers)
        self.send(nameless, "-", check=0)
        path = self.home.dir / "image.tar"
        path.write_bytes(archive)
        self.home.banger("image", "pull", f"docker-archive:{path.name}", "--name", "file", check=0, cwd=path.parent)
        images = self.images()
        digest = images["app-v1"]["digest"]
        self.assertEqual({name: image["digest"] for name, image in images.items()},
                         dict.fromkeys(("app-v1", "zipped", "chosen", "kernel", "file", "archive-" + digest[7:19]), digest))
        self.assertEqual([images[name]["kernel_ref"] for name in ("app-v1", "kernel")], ["", "generic+6.12"])
        self.assertEqual(images["zipped"]["id"], images["app-v1"]["id"])
        self.assertEqual(images["chosen"]["size"], 2 << 30)
        self.assertEqual(images["file"]["reference"], f"docker-archive:{path}")
        self.assertEqual(self.home.json("image", "show", f"docker-archive:{path}")["name"], "file")
        self.home.banger("image", "show", "docker-archive:-", check=1)
        self.assert_nothing_left()

    def test_what_skopeo_writes_comes_through_a_pipe(self):
        source = self.registry.image("app:v1", self.layers)
        for kind in ("docker", "oci"):
            path = self.home.dir / f"{kind}.tar"
            subprocess.run(["skopeo", "--insecure-policy", "copy", "-q", "--src-tls-verify=false", f"docker://{source}",
                            f"{kind}-archive:{path}:app:v1"], check=True)
            self.send(path.read_bytes(), "-", "--name", kind, check=0)
        images = self.images()
        self.assertEqual(images["docker"]["layers"], 2)
        self.assertEqual(images["oci"]["layers"], 2)

    def test_what_is_no_archive_is_refused_and_leaves_nothing(self):
        archive = script_registry.docker_archive(self.layers, "app:v1")
        packed = gzip.compress(archive, 1)
        for content, args, words in (
                (b"", ("-",), "is no sound tar archive"),
                (b"just words\n" * 100_000, ("-",), "is no sound tar archive"),
                (archive[:1_000_000], ("-",), "is cut short: it ends within '0/layer.tar'"),
                (packed[:len(packed) // 2], ("-",), "cut short"),
                (packed[:-4] + b"zzzz", ("-",), "damaged"),
                (archive, ("docker-archive:-:other",), "no image docker.io/library/other:latest"),
                (archive, ("oci-archive:-",), "write docker-archive:"),
                (archive, ("-", "--name", "no such name"), "no such name")):
            with self.subTest(words=words):
                done = self.send(content, *args, check=1)
                said = [line for line in done.stderr.decode().splitlines() if line.startswith("banger: ")]
                self.assertEqual(len(said), 1, done.stderr)
                self.assertIn(words, said[0])
                self.assert_nothing_left()
        self.assertEqual(self.images(), {})

    def test_a_client_that_vanishes_half_way_leaves_nothing(self):
        self.home.json("image", "list")
        for leave in (signal.SIGINT, signal.SIGKILL):
            pull = subprocess.Popen(self.home.argv("image", "pull", "-"), env=self.home.env, stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            pull.stdin.write(script_registry.docker_archive(self.layers)[:2_000_000])
            pull.stdin.flush()
            wait_until(self.open_spools, "the spool")
            pull.send_signal(leave)
            pull.wait(30)  # before its standard input ends, or it could have sent all there is
            _, said = pull.communicate(timeout=30)
            self.assertEqual(pull.returncode, 130 if leave == signal.SIGINT else -leave, said)
            wait_until(lambda: not self.open_spools(), "the end of the spool", STOP_SECONDS)
        self.assert_nothing_left()
        self.assertEqual(self.home.json("operation", "list"), [])

    def test_a_daemon_that_is_killed_half_way_leaves_nothing(self):
        self.home.json("image", "list")
        pull = subprocess.Popen(self.home.argv("image", "pull", "-"), env=self.home.env, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        pull.stdin.write(script_registry.docker_archive(self.layers)[:2_000_000])
        pull.stdin.flush()
        wait_until(self.open_spools, "the spool")
        self.home.kill_daemon()
        pull.stdin.write(bytes(1))  # a write is what tells it that nobody reads
        _, said = pull.communicate(timeout=60)
        self.assertIn(pull.returncode, (1, 3), said)
        self.assertEqual([path.name for path in (self.home.state / "images").iterdir()], [])

    def test_a_stop_does_not_wait_for_a_client_that_sends_nothing(self):
        self.home.json("image", "list")
        pull = subprocess.Popen(self.home.argv("image", "pull", "-"), env=self.home.env, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        wait_until(self.open_spools, "the spool")
        self.home.banger("daemon", "stop", check=0, timeout=20)
        pull.communicate(timeout=30)
        self.assertIn(pull.returncode, (1, 3))

    def test_curl_sends_an_archive_in_one_piece_or_in_chunks(self):
        self.home.json("image", "list")
        path = self.home.dir / "image.tar"
        path.write_bytes(script_registry.docker_archive(self.layers, "app:v1"))
        for name, options in (("whole", ["-T", str(path)]), ("chunks", ["-T", "-"]),
                              ("asked", ["-T", "-", "-H", "Expect: 100-continue"])):
            with open(path, "rb") as archive:
                started = self.curl(f"/v1/images?name={name}", "-X", "POST", "-H", "Content-Type: application/x-tar",
                                    *options, stdin=archive)
            self.assertEqual(self.end_of(started["id"])["state"], "succeeded")
        self.assertEqual(set(self.images()), {"whole", "chunks", "asked"})
        with open(path, "rb") as archive:
            refused = self.curl("/v1/images?reference=debian", "-X", "POST", "-H", "Content-Type: application/x-tar",
                                "-T", "-", stdin=archive)
        self.assertIn("'debian' does not mean the archive that was sent", refused["error"]["message"])


class ManyClients(ImageCase):
    layers = [script_registry.tar({"big": noise(4_000_000, 2)})]

    def begin(self, clients):
        """So many pulls of one image, stopped half-way through its one layer."""
        self.home.json("image", "list")
        reference = self.registry.image("app:v1", self.layers)
        self.registry.go_on.clear()
        with concurrent.futures.ThreadPoolExecutor(clients) as pool:
            operations = list(pool.map(lambda i: self.start_pull(reference, name=f"client-{i}"), range(clients)))
        wait_until(lambda: self.home.half_made() and self.registry.asked("GET", "/manifests/v1")[clients - 1:],
                   "the download")
        return operations

    def layer_downloads(self):
        layer = next(digest for digest, blob in self.registry.blobs.items() if len(blob) > 100_000)
        return self.registry.asked("GET", layer)

    def cancel(self, operation):
        self.curl(f"/v1/operations/{operation}", "-X", "DELETE")

    def test_ten_who_ask_at_once_share_one_download(self):
        operations = self.begin(10)
        self.registry.go_on.set()
        ends = [self.end_of(operation) for operation in operations]
        self.assertEqual([end["state"] for end in ends], ["succeeded"] * 10)
        self.assertEqual(len(self.layer_downloads()), 1)
        self.assertEqual(set(self.images()), {f"client-{i}" for i in range(10)})
        self.assertEqual(len({image["id"] for image in self.images().values()}), 1)

    def test_when_nine_vanish_the_tenth_gets_it(self):
        operations = self.begin(10)
        stays = operations.pop(0)  # whose download it is, or not
        for operation in operations:
            self.cancel(operation)
        for operation in operations:
            self.assertEqual(self.end_of(operation)["state"], "cancelled")
        self.registry.go_on.set()
        self.assertEqual(self.end_of(stays)["state"], "succeeded")
        self.assertEqual(len(self.layer_downloads()), 1)
        self.assertEqual(set(self.images()), {"client-0"})
        self.assert_nothing_left()

    def test_when_all_vanish_the_work_stops_at_once_and_nothing_stays(self):
        operations = self.begin(10)
        began = time.monotonic()
        for operation in operations:
            self.cancel(operation)
        for operation in operations:
            self.assertEqual(self.end_of(operation)["state"], "cancelled")
        wait_until(lambda: self.registry.gone == 1, "the end of the download", STOP_SECONDS)
        print(f"\nthe download had ended after {time.monotonic() - began:.2f} s")
        self.assert_nothing_left()
        self.assertEqual(self.images(), {})
        self.registry.go_on.set()
        self.home.banger("image", "pull", f"{self.registry.host}/app:v1", check=0)

    def test_clients_of_the_command_vanish_by_a_signal_too(self):
        self.home.json("image", "list")
        reference = self.registry.image("app:v1", self.layers)
        self.registry.go_on.clear()
        pulls = [self.home.start("image", "pull", "--name", f"client-{i}", reference) for i in range(3)]
        wait_until(lambda: self.home.half_made() and len(self.home.json("operation", "list")) == 3, "the download")
        for pull in pulls[1:]:
            pull.send_signal(signal.SIGINT)
        for pull in pulls[1:]:
            _, said = pull.communicate(timeout=30)
            self.assertEqual(pull.returncode, 130, said)
        self.registry.go_on.set()
        _, said = pulls[0].communicate(timeout=30)
        self.assertEqual(pulls[0].returncode, 0, said)
        self.assertEqual(set(self.images()), {"client-0"})


class Resume(ImageCase):
    SIZE = 20_000_000
    SMALL = 3 << 20  # under way when the daemon ended, or not yet written

    def begin(self):
        """A pull that has half of its one layer, and how its file in the cache is found."""
        self.reference = self.registry.image("big:v1", [script_registry.tar({"big": noise(self.SIZE, 21)})])
        self.home.json("image", "list")
        self.registry.go_on.clear()
        operation = self.start_pull(self.reference)
        wait_until(lambda: sum(path.stat().st_size for path in self.partials()) > self.SIZE // 2 - self.SMALL, "the first half")
        return operation

    def partials(self):
        return [path for path in self.home.cache.rglob("*") if path.name.endswith(".partial")]

    def pull_again(self):
        self.registry.go_on.set()
        image = json.loads(self.home.banger("image", "pull", self.reference, "--json", check=0).stdout)
        subprocess.run(["/sbin/e2fsck", "-fn", image["rootfs_path"]], check=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertEqual(self.partials(), [])
        self.assert_nothing_left()

    def test_a_killed_daemons_download_goes_on_where_it_was(self):
        self.begin()
        self.home.kill_daemon()
        self.pull_again()
        self.assertLessEqual(self.registry.sent, self.SIZE + self.SMALL)

    def test_so_does_that_of_one_that_was_stopped(self):
        self.begin()
        self.home.banger("daemon", "stop", check=0)
        self.assertEqual(len(self.partials()), 1)
        self.pull_again()
        self.assertLessEqual(self.registry.sent, self.SIZE + self.SMALL)

    def test_a_cancelled_pull_leaves_nothing_of_its_download(self):
        operation = self.begin()
        self.curl(f"/v1/operations/{operation}", "-X", "DELETE")
        self.assertEqual(self.end_of(operation)["state"], "cancelled")
        self.assertEqual(self.partials(), [])

    def test_what_was_left_is_not_trusted(self):
        self.begin()
        self.home.kill_daemon()
        with open(self.partials()[0], "r+b") as partial:
            partial.seek(1_000_000)
            partial.write(b"garbage")
        self.pull_again()
        self.assertGreater(self.registry.sent, self.SIZE * 3 // 2 - self.SMALL)

    def test_what_was_left_goes_when_it_is_old_and_when_the_cache_is_pruned(self):
        for prunes in (True, False):
            self.begin()
            self.home.kill_daemon()
            if prunes:
                would = self.home.json("image", "cache", "prune", "--dry-run")
                self.assertEqual(len(would["blobs"]), 1)
                self.assertEqual(self.home.json("image", "cache", "prune"), would)
            else:
                os.utime(self.partials()[0], (0, 0))
                self.home.json("image", "list")
            wait_until(lambda: not self.partials(), "the sweep")
            self.registry.go_on.set()


class Queue(ImageCase):
    def begin(self, name, seed):
        return self.start_pull(self.registry.image(name, [script_registry.tar({name: noise(1_000_000, seed)})]))

    def is_queued(self, operation):
        with subprocess.Popen(["curl", "-sN", "--unix-socket", str(self.home.socket), "--max-time", "1",
                               f"http://banger/v1/operations/{operation}/events"], stdout=subprocess.PIPE) as events:
            return b'"stage":"queued"' in events.stdout.read()

    def test_two_pulls_work_at_a_time_and_the_third_waits_its_turn(self):
        self.home.json("image", "list")
        self.registry.go_on.clear()
        working = [self.begin("one:v1", 11), self.begin("two:v1", 12)]
        wait_until(lambda: len(self.registry.asked("GET", "/blobs/")) == 4, "two downloads, config and layer")
        waiting = [self.begin("three:v1", 13), self.begin("four:v1", 14)]
        archive = self.home.dir / "image.tar"
        archive.write_bytes(script_registry.docker_archive([script_registry.tar({"five": noise(3_000_000, 15)})], "five:v1"))
        waiting.append(self.curl("/v1/images", "-X", "POST", "-H", "Content-Type: application/x-tar", "-T", str(archive))["id"])
        for operation in waiting:
            wait_until(lambda operation=operation: self.is_queued(operation), "a place in the queue")
        for operation in working:
            self.assertFalse(self.is_queued(operation))
        self.curl(f"/v1/operations/{waiting[0]}", "-X", "DELETE")
        self.assertEqual(self.end_of(waiting[0])["state"], "cancelled")
        self.registry.go_on.set()
        for operation in working + waiting[1:]:
            self.assertEqual(self.end_of(operation)["state"], "succeeded")
        self.assertEqual(set(self.images()), {"one-v1", "two-v1", "four-v1", "five-v1"})
        self.assert_nothing_left()


class Cache(ImageCase):
    base = script_registry.tar({"base": noise(1_000_000, 3)})

    def setUp(self):
        super().setUp()
        self.one = self.registry.image("one:v1", [self.base, script_registry.tar({"one": noise(200_000, 4)})])
        self.two = self.registry.image("two:v1", [self.base, script_registry.tar({"two": noise(200_000, 5)})])

    def pull(self, reference, *args):
        self.registry.clear()
        return json.loads(self.home.banger("image", "pull", reference, "--json", *args, check=0).stdout)

    def cached(self):
        return self.home.json("image", "cache", "list")["blobs"]

    def layers(self, image):
        record = json.loads((self.home.state / "images" / image["id"] / "manifest.json").read_text())
        return [layer["digest"] for layer in record["layers"]]

    def test_what_has_not_changed_costs_one_small_question(self):
        first = self.pull(self.one)
        self.assertEqual(self.registry.asked("HEAD"), [])
        again = self.pull(self.one)
        self.assertEqual(self.registry.asked(), ["HEAD /v2/one/manifests/v1"])
        self.assertEqual(again["rootfs_path"], first["rootfs_path"])
        other = self.pull(self.one, "--name", "other")
        self.assertEqual(self.registry.asked(), ["HEAD /v2/one/manifests/v1"])
        self.assertEqual(other["id"], first["id"])

        # Another size is another image, of the same layers.
        sized = self.pull(self.one, "--size", "2G", "--name", "sized")
        self.assertEqual(self.registry.asked("/blobs/", self.layers(first)[0]), [])
        self.assertEqual((sized["size"], sized["digest"]), (2 << 30, first["digest"]))

        self.registry.image("one:v1", [self.base])
        changed = self.pull(self.one)
        self.assertNotEqual(changed["digest"], first["digest"])
        self.assertEqual([line for line in self.registry.asked("GET", "/blobs/") if self.layers(changed)[0] in line], [])
        self.pull(self.one)
        self.assertEqual(self.registry.asked(), ["HEAD /v2/one/manifests/v1"])

    def test_an_unchanged_image_whose_file_is_gone_is_made_anew(self):
        first = self.pull(self.one)
        pathlib.Path(first["rootfs_path"]).unlink()
        self.assertEqual(self.pull(self.one)["digest"], first["digest"])
        self.assertTrue(pathlib.Path(first["rootfs_path"]).exists())

    def test_a_shared_layer_is_downloaded_once(self):
        one = self.pull(self.one)
        two = self.pull(self.two)
        shared, = set(self.layers(one)) & set(self.layers(two))
        new, = set(self.layers(two)) - {shared}
        self.assertEqual(self.registry.asked("GET", shared), [])
        self.assertEqual(len(self.registry.asked("GET", new)), 1)

    def test_the_cache_is_listed_and_pruned(self):
        one, two = self.pull(self.one), self.pull(self.two)
        blobs = {blob["digest"]: blob for blob in self.cached()}
        self.assertEqual(blobs.keys(), set(self.layers(one) + self.layers(two)))
        self.assertEqual(sorted(blobs[self.layers(one)[0]]["images"]), ["one-v1", "two-v1"])
        for digest, blob in blobs.items():
            self.assertEqual(blob["size"], len(self.registry.blobs[digest]))
        self.assertIn("3 layers", self.home.banger("image", "cache", "list", check=0).stderr)

        self.home.banger("image", "delete", "two-v1", check=0)
        own, = set(self.layers(one)) ^ blobs.keys()
        would = self.home.json("image", "cache", "prune", "--dry-run")
        self.assertEqual([blob["digest"] for blob in would["blobs"]], [own])
        self.assertEqual(len(self.cached()), 3)
        self.assertEqual(self.home.json("image", "cache", "prune"), would)
        self.assertEqual({blob["digest"] for blob in self.cached()}, set(self.layers(one)))
        self.assertEqual(self.home.json("image", "cache", "prune")["blobs"], [])
        self.assertIn("would remove 2 layers", self.home.banger("image", "cache", "prune", "--all", "--dry-run", check=0).stderr)
        self.assertEqual(len(self.home.json("image", "cache", "prune", "--all")["blobs"]), 2)
        self.assertEqual(self.cached(), [])
        # The image does not need them, and a later pull does without.
        self.assertTrue(self.home.json("image", "show", "one-v1"))
        self.pull(self.two)

    def test_the_least_recently_used_layers_go_first(self):
        self.home.banger("daemon", "stop", check=0)
        self.configure(cache_size="1500000B")
        one = self.pull(self.one)
        two = self.pull(self.two)  # 1.4 MB in all
        self.assertEqual(len(self.cached()), 3)
        self.pull(self.one, "--size", "2G", "--name", "sized")  # uses both layers of `one` again
        three = self.pull(self.registry.image("three:v1", [script_registry.tar({"three": noise(200_000, 6)})]))
        gone, = set(self.layers(two)) - set(self.layers(one))
        self.assertEqual({blob["digest"] for blob in self.cached()}, set(self.layers(one) + self.layers(three)))
        self.assertNotIn(gone, {blob["digest"] for blob in self.cached()})
        cache = self.home.json("image", "cache", "list")
        self.assertLessEqual(cache["bytes"], cache["limit"])

        # A smaller limit holds from the next start on.
        self.home.banger("daemon", "stop", check=0)
        self.configure(cache_size=0)
        self.assertEqual(self.cached(), [])
        self.pull(self.two)
        self.assertEqual(self.cached(), [])

    def test_a_pull_under_way_keeps_what_it_counts_on(self):
        self.pull(self.one)
        shared = max(self.cached(), key=lambda blob: blob["size"])["digest"]
        self.registry.go_on.clear()
        operation = self.start_pull(self.two)
        wait_until(lambda: self.home.half_made() and self.registry.asked("GET", "/blobs/"), "the download")
        pruned = self.home.json("image", "cache", "prune", "--all")
        self.assertEqual([blob["digest"] for blob in pruned["blobs"] if blob["digest"] == shared], [])
        self.assertIn(shared, {blob["digest"] for blob in self.cached()})
        self.registry.go_on.set()
        self.assertEqual(self.end_of(operation)["state"], "succeeded")


class FullDisk(ImageCase):
    RESERVE = 160 << 20
    SLACK = 24 << 20  # what may be written between two looks at the disk, and the file system's own

    def setUp(self):
        super().setUp()
        self.home.banger("daemon", "stop", check=0)
        self.configure(disk_reserve=f"{self.RESERVE}B")
        self.home.state.mkdir(parents=True, exist_ok=True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(self.home.state)], check=False,
                                 stderr=subprocess.DEVNULL)
        if mounted.returncode != 0:
            self.skipTest("only root may mount a small file system")
        self.addCleanup(subprocess.run, ["umount", str(self.home.state)], check=True)
        self.addCleanup(self.home.banger, "daemon", "stop")
        self.home.json("image", "list")  # the daemon's own files are there from now on

    def free(self):
        disk = os.statvfs(self.home.state)
        return disk.f_bavail * disk.f_frsize

    def least_free_while(self, argv, **options):
        """How little was free while a command ran that ends for want of space."""
        least = self.free()
        with subprocess.Popen(argv, env=self.home.env, stderr=subprocess.PIPE, **options) as command:
            while command.poll() is None:
                least = min(least, self.free())
                time.sleep(0.005)
            said = command.stderr.read().decode()
        self.assertEqual(command.returncode, 1, said)
        self.assertIn("not enough space", said)
        self.assertIn("160 MiB must stay free", said)
        return least

    def test_a_pull_stops_before_the_disk_is_full_and_gives_the_space_back(self):
        # Packs well, so that it is noticed only on the way.
        content = b"the same line again and again\n" * 4_500_000
        reference = self.registry.image("big:v1", [script_registry.tar({"big": content})])
        before = self.free()
        least = self.least_free_while(self.home.argv("image", "pull", reference))
        self.assertGreater(least, self.RESERVE - self.SLACK)
        self.assertLess(before - self.free(), 1 << 20)
        self.assert_nothing_left()
        self.home.banger("image", "pull", self.registry.image("small:v1", [script_registry.tar({"a": b"a"})]), check=0)

    def test_an_archive_on_standard_input_stops_before_the_disk_is_full_too(self):
        path = self.home.dir / "image.tar"
        path.write_bytes(script_registry.docker_archive([noise(130_000_000, 7)]))
        before = self.free()
        with open(path, "rb") as archive:
            least = self.least_free_while(self.home.argv("image", "pull", "-"), stdin=archive)
        self.assertGreater(least, self.RESERVE - self.SLACK)
        self.assertLess(before - self.free(), 1 << 20)
        self.assert_nothing_left()


if __name__ == "__main__":
    harness.main()
