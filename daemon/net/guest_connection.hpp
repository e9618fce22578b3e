#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "pipelines/io/task.hpp"

namespace banger::net {

/// A TCP connection to a port inside a guest, whoever carries it. One reader and one writer at a
/// time; a reader that stops stops the guest. Destroying it before both directions have ended
/// resets the connection in the guest. Everything throws Error{unavailable} once the connection is
/// broken.
class GuestConnection {
  public:
    virtual ~GuestConnection() = default;
    /// The next bytes; empty at the end of this direction.
    virtual Task<std::vector<std::byte>> read() = 0;
    virtual Task<void> write(std::span<const std::byte> bytes) = 0;
    /// Nothing more will be written.
    virtual void finish() = 0;
    /// After the end of both directions: until all that was written is on its way in the guest.
    virtual Task<void> wait_sent() = 0;
};

/// Connects to a port of one guest; throws Error{unavailable} when it cannot.
using Dial = std::function<Task<std::unique_ptr<GuestConnection>>(std::uint16_t port)>;

}  // namespace banger::net
