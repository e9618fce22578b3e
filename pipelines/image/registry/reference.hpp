#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "pipelines/io/digest.hpp"

namespace banger::image {

/// An image in a registry, named as Docker names it: `[host[:port]/]path[:tag][@digest]`, with the
/// defaults docker.io, library/ and latest filled in. The grammar is distribution/reference's.
struct Reference {
    std::string domain;            ///< "docker.io", "localhost:5000", "[::1]:5000"
    std::string path;              ///< "library/debian"
    std::string tag;               ///< empty only when there is a digest
    std::optional<Digest> digest;  ///< wins over the tag

    /// "docker.io/library/debian:bookworm"
    std::string to_string() const;
    /// The host that answers for the domain: registry-1.docker.io for docker.io.
    std::string api_host() const;
    /// What follows /v2/<path>/manifests/.
    std::string manifest_name() const { return digest ? digest->to_string() : tag; }
};

/// An OCI image layout in a directory: "oci:PATH[:TAG]".
struct LayoutReference {
    std::string path;
    std::string tag;  ///< empty: the only image there

    std::string to_string() const;
};

/// A tar with images in it: "oci-archive:PATH[:TAG]", "docker-archive:PATH[:REF]", or "-", which is
/// whatever of the two comes through standard input.
struct ArchiveReference {
    enum class Kind { any, oci, docker };
    Kind kind = Kind::any;
    std::string path;  ///< "-": standard input
    std::string name;  ///< of the image within: a tag, or a Docker reference; empty: the only one

    bool is_standard_input() const { return path == "-"; }
    std::string to_string() const;
};

using SourceReference = std::variant<Reference, LayoutReference, ArchiveReference>;

/// Throws Error{invalid_argument} saying what is wrong with the text.
Reference parse_reference(std::string_view text);
SourceReference parse_source(std::string_view text);
std::string to_string(const SourceReference& source);

/// The domain of a registry named on its own: "docker.io" for https://index.docker.io/v1/. Throws
/// Error{invalid_argument} for what is none, a repository's name for one.
std::string parse_registry(std::string_view text);

/// The name an image gets when its user gives none: "debian-bookworm" for
/// docker.io/library/debian:bookworm, "app-0123456789ab" for app@sha256:0123456789ab…, "app" for
/// oci-archive:/tmp/app.tar.gz; lower case letters, digits, '.', '_' and '-', at most 63, beginning
/// with a letter or digit.
std::string friendly_name(const SourceReference& source);

}  // namespace banger::image
