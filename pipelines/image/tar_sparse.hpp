#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

namespace banger::image {

/// Where a sparse file has data: bytes of the file, which are stored one region after the other.
struct SparseRegion {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
};
using SparseMap = std::vector<SparseRegion>;

/// Throws Error{invalid_argument} when the map has 65,536 regions already.
void add_region(SparseMap& map, SparseRegion region);

/// "0,512,4096,512": the map of GNU.sparse.map (pax 0.1). Throws Error{invalid_argument}.
SparseMap parse_sparse_map(std::string_view text);

/// Adds the regions of an old GNU header (4 of them) or of a block that continues it (21): 24 bytes
/// each, octal, up to the first that is empty. Throws Error{invalid_argument}.
void add_old_gnu_regions(SparseMap& map, std::string_view fields);

/// The map that pax 1.0 stores before the content: decimal numbers, each in a line, in whole
/// blocks. `next_block` gives them one by one, 512 bytes each. Throws Error{invalid_argument}.
SparseMap read_sparse_map(const std::function<std::string_view()>& next_block);

/// Throws Error{invalid_argument} unless the regions follow each other within `size` bytes, and
/// have `stored` bytes together.
void check_sparse_map(const SparseMap& map, std::uint64_t size, std::uint64_t stored);

/// A decimal number without sign, spaces or anything else. Nullopt for all others.
std::optional<std::uint64_t> parse_decimal(std::string_view text);

}  // namespace banger::image
