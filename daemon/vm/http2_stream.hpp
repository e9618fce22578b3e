#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipelines/io/task.hpp"

namespace banger::vm {

class Http2Session;
struct Http2State;
struct Http2Exchange;

/// One request and its response on an Http2Session. One reader and one writer at a time. At most
/// 256 KiB wait here in either direction; beyond that the peer, or write(), waits. Destroying it
/// before both ends are done resets the stream. Everything throws Error{unavailable} once the
/// connection is gone, or the peer has reset the stream.
class Http2Stream {
  public:
    ~Http2Stream();
    Http2Stream(Http2Stream&&) noexcept;

    /// Sends a piece of the request's body, all of it. Dropped when the peer has closed the stream,
    /// for it has answered already and wants no more.
    Task<void> write(std::string_view bytes);
    /// The request's body is complete.
    void finish();
    /// Waits for the response's header; the HTTP status.
    Task<int> status();
    /// The next bytes of the response's body; empty at its end.
    Task<std::vector<std::byte>> read();
    /// Both ends are done, or the peer has reset it.
    bool closed() const;
    /// Waits until it is closed: after finish(), until all has been sent.
    Task<void> wait_closed();

  private:
    friend class Http2Session;
    explicit Http2Stream(std::shared_ptr<Http2State> session,
                         std::unique_ptr<Http2Exchange> exchange);
    std::shared_ptr<Http2State> session_;
    std::unique_ptr<Http2Exchange> exchange_;
};

}  // namespace banger::vm
