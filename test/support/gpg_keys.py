"""PGP keys made for a test."""

import subprocess


def run(*argv, **options):
    return subprocess.run(list(map(str, argv)), check=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, **options).stdout


class Keys:
    """A home of gpg with keys made for a test."""

    def __init__(self, directory):
        self.home = directory / "gnupg"
        self.home.mkdir(mode=0o700)

    def gpg(self, *argv):
        return run("gpg", "--homedir", self.home, "--batch", "--quiet", "--passphrase", "",
                   "--pinentry-mode", "loopback", "--trust-model", "always", *argv)

    def make(self, name, *when):
        """The fingerprint of a new key."""
        self.gpg(*when, "--quick-generate-key", f"{name} <{name}@localhost>", "ed25519", "sign",
                 "1d" if when else "never")
        listed = self.gpg("--list-keys", "--with-colons", f"{name}@localhost").decode()
        return next(line.split(":")[9] for line in listed.splitlines() if line.startswith("fpr"))

    def sign(self, key, file, signature, *when):
        self.gpg(*when, "--yes", "--local-user", key, "--detach-sign", "-o", signature, file)

    def close(self):
        subprocess.run(["gpgconf", "--homedir", str(self.home), "--kill", "all"], check=False)
