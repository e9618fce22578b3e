"""What the documents tell people to type works as printed."""

import re
import subprocess

import harness
from harness import Case, ROOT


def shell_blocks(document):
    """The lines of the fenced blocks that speak to the socket, in order, without those that only comment."""
    text = (ROOT / document).read_text()
    blocks = re.findall(r"^```(?:sh)?\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks if "curl" in block or re.search(r"^api ", block, flags=re.MULTILINE)
            for line in block.splitlines() if line.strip() and not line.startswith("#")]


class Documents(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.image = cls.registry.push(cls.made["busybox"], "test/busybox:1")
        cls.home.banger("image", "pull", "--name", "busybox", cls.image, check=0)
        cls.home.banger("config", "set", "default_image", "busybox", check=0)
        cls.home.banger("daemon", "stop", check=0)
        cls.home.env["PATH"] = f"{harness.BIN}:{cls.home.env['PATH']}"

    def type(self, lines):
        """{line: what it printed}. After each one, what it set going is waited for, as a reader would."""
        operations = f"curl -sS --unix-socket {self.home.socket} http://banger/v1/operations"
        script = ["set -eu"]
        for line in lines:
            script += [line, "printf '\\0'",
                       f"while {operations} | jq -e 'any(.state == \"running\")' >/dev/null; do sleep 0.1; done"]
        done = subprocess.run(["bash", "-c", "\n".join(script)], env=self.home.env, timeout=harness.BOOT_SECONDS,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 0, done.stderr)
        return dict(zip(lines, done.stdout.split("\0"), strict=False))

    def said(self, typed, part):
        return next(output for line, output in typed.items() if part in line)

    def test_the_readme(self):
        typed = self.type(shell_blocks("README.md"))
        self.assertGreaterEqual(len(typed), 7)
        for line, output in typed.items():
            self.assertNotIn('"error":{', output, line)
        self.assertIn('"version"', self.said(typed, "/v1/version"))
        self.assertIn('"vm.create"', self.said(typed, '{"name":"box"}'))
        self.assertRegex(self.said(typed, "jq -r"), r"^op-")
        self.assertIn("uid=0", self.said(typed, '["id"]'))
        self.assertIn('"exit_code":0', self.said(typed, '["id"]'))
        self.assertEqual(self.home.vms(), {})

    def test_the_api_by_example(self):
        lines = [line.replace("docker.io/library/debian:bookworm", self.image)
                 for line in shell_blocks("docs/api.md")]
        typed = self.type(lines)
        for line, output in typed.items():
            if "/bxo" in line:
                self.assertIn('"not_found"', output)
            else:
                self.assertNotIn('"error":{', output, line)
        self.assertIn("event: end", self.said(typed, "/events"))
        self.assertIn('"succeeded"', self.said(typed, "wait=true"))
        self.assertIn('{"exit_code":3}', self.said(typed, "exit 3"))
        self.assertIn('6\\n', self.said(typed, "wc"))
        self.assertEqual(self.home.vms(), {})


if __name__ == "__main__":
    harness.main()
