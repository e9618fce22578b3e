#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "pipelines/image/registry/layout_files.hpp"
#include "pipelines/io/unique_fd.hpp"

namespace banger::image {

/// Where the files of an uncompressed tar lie in it, so that they can be read in place and side by
/// side. Entries are looked up by name and nothing else: no name ever becomes a path.
class TarIndex : public LayoutFiles {
  public:
    static constexpr std::size_t kMaxEntries = 65'536;

    /// Reads the headers only. `name` is the archive's, for messages. Blocks. Throws
    /// Error{invalid_argument} for what is no tar, is cut short, or has names that lead out of it;
    /// Error{unsupported} beyond the limit of entries.
    TarIndex(UniqueFd file, std::string name, const std::stop_token& stop);

    /// Throws Error{invalid_argument} for a name that stands there twice: readers of such an
    /// archive would not agree on what it holds.
    std::optional<Blob> find(const std::string& path) const override;
    /// As find, but one link within the archive is followed: `docker save` writes a layer that
    /// several images share once, and links to it.
    std::optional<Blob> find_linked(const std::string& path) const;
    const std::string& name() const { return name_; }

  private:
    enum class Kind { file, symlink, hard_link, other };
    struct Entry {
        Kind kind = Kind::other;
        std::uint64_t offset = 0;
        std::uint64_t size = 0;
        std::string target;  ///< of a link, as a name in the archive; empty when it leads out
        bool twice = false;
    };
    class Reader;
    const Entry* entry(const std::string& path) const;
    Blob part(const Entry& entry) const;

    UniqueFd file_;
    std::string name_;
    std::map<std::string, Entry> entries_;
};

}  // namespace banger::image
