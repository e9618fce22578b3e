#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "test/support/catch.hpp"
#include "test/support/ext4_reader.hpp"
#include "test/support/oci_builder.hpp"
#include "test/support/tar_builder.hpp"

namespace banger::test {

/// The file system that an image's layers became.
struct Tree {
    ReadFilesystem fs;
    std::vector<std::string> warnings;

    /// Throws when there is none.
    const ReadEntry& operator[](std::string_view path) const { return fs.at(path); }
    bool has(std::string_view path) const { return fs.find(path) != nullptr; }
    /// A regular file with exactly this content.
    bool holds(std::string_view path, std::string_view content) const;
    /// All paths, "/a /a/b", but for the root and lost+found.
    std::string names() const;
    /// Whether one of the warnings has this text in it.
    bool warns(std::string_view text) const;
};

/// Pulls an image out of an OCI layout and reads it back: e2fsck finds nothing, and a second pull,
/// one layer at a time and without io_uring, gives the same bytes.
Tree tree_of_image(const ImageSpec& spec);

/// As tree_of_image, of one layer for each tar, lowest first.
Tree tree_of(const std::vector<TarBuilder>& layers);

/// What the pull fails with. It must leave nothing behind.
std::string refusal_of_image(const ImageSpec& spec);
std::string refusal_of(const std::vector<TarBuilder>& layers);

}  // namespace banger::test
