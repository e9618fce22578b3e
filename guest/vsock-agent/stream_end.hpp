#pragma once

#include <cstddef>
#include <functional>

namespace banger::guest {

/// What a process or a connection asks of the HTTP/2 stream it is joined to; all may be called from
/// any handler, and do nothing once the stream is gone.
struct StreamEnd {
    std::function<void()> output_ready;         ///< read_output() has something again
    std::function<void(std::size_t)> consumed;  ///< so many bytes of input need no room any more
    std::function<void()> reset;                ///< nothing more can come or go
};

}  // namespace banger::guest
