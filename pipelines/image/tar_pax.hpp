#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pipelines/image/ext4/staging_tree.hpp"
#include "pipelines/image/tar_sparse.hpp"

namespace banger::image {

/// What a pax extended header says of the entry that follows it. Keys that banger knows nothing of
/// are left out, as POSIX wants it; an empty value means that the entry's own header counts.
struct PaxFields {
    std::optional<std::string> path, link_path;
    std::optional<std::uint64_t> size;  ///< of what is stored
    std::optional<std::int64_t> uid, gid;
    std::optional<Timestamp> mtime;
    std::vector<std::pair<std::string, std::string>> xattrs;
    std::string access_acl, default_acl;  ///< as SCHILY.acl.* has them: text
    bool has_nfs4_acl = false;

    // GNU sparse files: 0.0 and 0.1 have their map here, 1.0 before the content.
    std::optional<std::string> sparse_name;       ///< its own; `path` is a made-up one then
    std::optional<std::uint64_t> sparse_size;     ///< of the file with its holes
    std::optional<std::uint64_t> sparse_regions;  ///< as announced
    std::optional<SparseMap> sparse_map;
    std::string sparse_major, sparse_minor;
    bool is_sparse_1_0() const { return sparse_major == "1" && sparse_minor == "0"; }
};

/// Throws Error{invalid_argument} for records that are damaged in any way and for values that are
/// not what their key wants: nothing is skipped.
PaxFields parse_pax(std::string_view records);

}  // namespace banger::image
