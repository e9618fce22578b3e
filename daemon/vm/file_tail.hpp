#pragma once

#include <cstdint>
#include <string>

namespace banger::vm {

/// The last `bytes` of a file; empty when there is none. Blocks for the read.
std::string read_tail_blocking(const std::string& path, std::size_t bytes);

/// Gives the blocks of all but about the last `keep` bytes of a file back to the host, while
/// another process appends to it. The file's length stays, its beginning reads as zeros. Returns
/// whether there was anything to give back. Does nothing where the file system cannot.
bool give_back_head_blocking(const std::string& path, std::uint64_t keep);

}  // namespace banger::vm
