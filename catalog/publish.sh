# Sourced by catalog/publish-kernel and golden-image/publish: what publishing an entry of a catalog takes.
# The sourcing script has `fail`, and sets $catalog, the file to patch, and $dist, the directory for what is made.
#   RCLONE_REMOTE  where to, a remote of rclone's configuration or one made up on the spot (':local')
#   RCLONE_BUCKET  its bucket or directory
#   BASE_URL       where the world sees that
#   MINISIGN_KEY   the secret key's file: then the catalog is signed, and published beside the bundle
#   CATALOG_DAYS   how long the catalog is good for, 365
#   ZSTD_LEVEL     19
# shellcheck shell=sh
: "${catalog:?}" "${dist:?}"

need() {
    for tool; do command -v "$tool" >/dev/null || fail "$tool is missing; install the package $tool"; done
}

# The entries named after DIR as a tar, compressed: the same bytes from the same files, whoever has them, whenever.
pack() {
    packed=$1 directory=$2
    shift 2
    tar --create --format=gnu --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX \
        --directory "$directory" -- "$@" | zstd -q -T0 "-${ZSTD_LEVEL:-19}" --force -o "$packed"
}

# Sets $sha256, $size and $file, the name that says what is inside: <name>-<arch>-<12 hex>.tar.zst
address() {
    sha256=$(sha256sum <"$1")
    sha256=${sha256%% *}
    size=$(stat -c %s "$1")
    file=$2-$3-$(echo "$sha256" | cut -c 1-12).tar.zst
}

# $1 goes to the remote as $2.
upload() {
    rclone copyto --retries 3 "$1" "$RCLONE_REMOTE:$RCLONE_BUCKET/$2" ||
        fail "rclone cannot write $RCLONE_REMOTE:$RCLONE_BUCKET/$2; its messages are above"
}

# What was uploaded is what the world gets, as far as a HEAD request tells.
check_public() {
    headers=$(curl -fsSIL --retry 3 "$BASE_URL/$1") ||
        fail "$1 was uploaded, but $BASE_URL/$1 does not answer; is the bucket public?"
    seen=$(echo "$headers" | tr -d '\r' | awk 'tolower($1) == "content-length:" { n = $2 } END { print n }')
    [ "$seen" = "$2" ] ||
        fail "$1 was uploaded, but $BASE_URL/$1 has ${seen:-an unknown number of} bytes instead of $2"
}

# The entry, JSON on standard input, takes the place of the one of its name and arch; version and expiry move on.
patch_catalog() {
    expires=$(date -u -d "+${CATALOG_DAYS:-365} days" +%Y-%m-%dT%H:%M:%SZ)
    jq --indent 2 --slurpfile entry /dev/stdin --arg expires "$expires" '
        $entry[0] as $new
        | .version += 1
        | .expires = $expires
        | .entries |= (map(select(.name != $new.name or .arch != $new.arch)) + [$new] | sort_by(.name, .arch))
        ' "$catalog" >"$catalog.new" || fail "cannot read the catalog $catalog"
    mv "$catalog.new" "$catalog"
}

# Signs what patch_catalog left, and publishes both. The key may ask for its password.
sign_catalog() {
    minisign -S -s "$MINISIGN_KEY" -m "$catalog" -t "version $(jq .version "$catalog")" >/dev/null ||
        fail "cannot sign $catalog with $MINISIGN_KEY"
    # The signature first: who has the new one with the old catalog, or the other way around, is refused either way.
    upload "$catalog.minisig" "$(basename "$catalog").minisig"
    upload "$catalog" "$(basename "$catalog")"
    check_public "$(basename "$catalog")" "$(stat -c %s "$catalog")"
}

# $1 is the packed bundle $file, the entry's JSON is on standard input.
publish() {
    upload "$1" "$file"
    check_public "$file" "$size"
    patch_catalog
    if [ -n "${MINISIGN_KEY:-}" ]; then
        sign_catalog
        echo "published: $BASE_URL/$file, $BASE_URL/$(basename "$catalog") (signed)"
    else
        echo "published: $BASE_URL/$file"
        echo "not signed: MINISIGN_KEY is not set; a catalog that is part of the program needs no signature"
    fi
    cat <<END
next steps, none of which was taken:
  git diff -- $catalog     # look at what changed
  git add $catalog && git commit
  make build               # where it is the catalog that is part of the program
END
}
