#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "test/support/tar_builder.hpp"

namespace banger::test {

/// Parts of tars that TarBuilder::add does not write: what came before pax, beside it, or broken.
/// Give the results to TarBuilder::raw().

/// A GNU long name ('L') or long link ('K') for the entry that follows.
std::string gnu_long(char type, std::string_view text);

/// A pax header of any records, sound or not; 'g' makes it a global one.
std::string pax_header(std::string_view records, char type = 'x');

/// The header of `entry` with `bytes` written over it at `at`, its checksum right again.
std::string patched_header(const TarEntry& entry, std::uint64_t size, std::size_t at,
                           std::string_view bytes);

/// What a sparse file has where it has no hole.
struct SparseRegion {
    std::uint64_t offset = 0;
    std::string bytes;
};

/// Sparse files as GNU tar writes them; the path is `path`.
std::string old_gnu_sparse(const std::string& path, std::uint64_t size,
                           const std::vector<SparseRegion>& regions);
std::string pax_sparse_0_0(const std::string& path, std::uint64_t size,
                           const std::vector<SparseRegion>& regions);
std::string pax_sparse_0_1(const std::string& path, std::uint64_t size,
                           const std::vector<SparseRegion>& regions);
std::string pax_sparse_1_0(const std::string& path, std::uint64_t size,
                           const std::vector<SparseRegion>& regions);

}  // namespace banger::test
