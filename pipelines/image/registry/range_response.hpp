#pragma once

#include <cstdint>
#include <string>

#include "pipelines/io/task.hpp"

namespace banger {
class HttpResponse;
}

namespace banger::image {

/// Whether an answer to "the rest from byte `from` on" may be read on with: that rest of `size`
/// bytes, or, unless it is an error, all from the start.
bool answers_range(const HttpResponse& response, std::uint64_t from, std::uint64_t size);

/// An answer that begins at the start: reads up to byte `offset`. `what` names it. Throws
/// Error{digest_mismatch} when it says that it has another size than `size`, Error{unavailable}
/// when it ends before.
Task<void> skip_to(HttpResponse& response, std::uint64_t offset, std::uint64_t size,
                   std::string what);

}  // namespace banger::image
