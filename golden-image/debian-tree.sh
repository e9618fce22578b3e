# Sourced: a Debian tree made of packages from the mirror this host is configured for, by mmdebstrap. Needs root, or
# user namespaces (package uidmap), or sudo. The sourcing script has `fail`.
# shellcheck shell=sh
suite=bookworm

# Lines of a sources.list for $suite, at the mirrors of this host's own release.
print_sources() {
    # shellcheck disable=SC1091 # a file of the host
    apt-get indextargets --format "\$(REPO_URI) \$(CODENAME) \$(ORIGIN)" 'Created-By: Packages' |
        awk -v suite=$suite -v host="$(. /etc/os-release && echo "${VERSION_CODENAME:-}")" '
            $3 != "Debian" { next }
            $2 == host && !main { main = $1 }
            $2 == host "-security" && !security { security = $1 }
            END {
                print "deb " (main ? main : "http://deb.debian.org/debian") " " suite " main"
                if (security) print "deb " security " " suite "-security main"
            }' |
        if [ -e /usr/share/keyrings/debian-archive-keyring.gpg ]; then
            sed 's|^deb |deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] |'
        else
            cat
        fi
}

# Sets $as_root and $mode: how mmdebstrap becomes root over the tree it builds.
choose_mode() {
    as_root=
    mode=root
    [ "$(id -u)" -ne 0 ] || return 0
    if command -v newuidmap >/dev/null && grep -q "^$(id -un):" /etc/subuid 2>/dev/null &&
        unshare --user true 2>/dev/null; then
        mode=unshare
    elif command -v sudo >/dev/null; then
        as_root=sudo
    else
        fail "needs root: run it as root, or install sudo or uidmap"
    fi
}

# apt in the new tree does not see this host's configuration; it does see the environment.
use_host_proxy() {
    eval "$(apt-config shell http_proxy Acquire::http::Proxy https_proxy Acquire::https::Proxy)"
    proxies=
    [ -z "${http_proxy:-}" ] || proxies="http_proxy=$http_proxy"
    [ -z "${https_proxy:-}" ] || proxies="$proxies https_proxy=$https_proxy"
}

# The tree as a tar on standard output: the packages $1, and what further arguments (hooks) make of it.
# mmdebstrap hands its descriptors' numbers to a shell that takes one digit only (dash), so the low ones are left to
# it, whatever we inherited. SOURCE_DATE_EPOCH, where set, is the latest time of any file in the tree.
print_tree() {
    command -v mmdebstrap >/dev/null || fail "mmdebstrap is missing; install the package mmdebstrap"
    included=$1
    shift
    choose_mode
    use_host_proxy
    # shellcheck disable=SC2086,SC2016 # words are meant; $1 is the hook's
    print_sources | $as_root env $proxies ${SOURCE_DATE_EPOCH:+SOURCE_DATE_EPOCH="$SOURCE_DATE_EPOCH"} \
        mmdebstrap --quiet --mode="$mode" --variant=minbase --include="$included" "$@" \
        --customize-hook='rm -f "$1/etc/hostname"; : >"$1/etc/resolv.conf"; chmod 644 "$1/etc/resolv.conf"' \
        "$suite" - - 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-
}
