#pragma once

#include <cstddef>
#include <span>

#include "pipelines/io/task.hpp"

namespace banger {

/// Bytes that come in their own time: standard input, the body of a request.
class ByteSource {
  public:
    virtual ~ByteSource() = default;
    /// Up to buffer.size() bytes; 0 at the end. Throws when it breaks off.
    virtual Task<std::size_t> read_some(std::span<std::byte> buffer) = 0;
};

}  // namespace banger
