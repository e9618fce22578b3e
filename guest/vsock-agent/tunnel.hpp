#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "guest/vsock-agent/fd.hpp"
#include "guest/vsock-agent/loop.hpp"
#include "guest/vsock-agent/stream_end.hpp"

namespace banger::guest {

/// One TCP connection to a port of this guest, joined to one stream. Nothing is buffered but what
/// the stream's window lets in, and the socket is read only when the stream asks. Kept alive by the
/// loop's handler until both sides are done.
class Tunnel : public std::enable_shared_from_this<Tunnel> {
  public:
    /// 0, or the errno of the last address that was tried.
    using Connected = std::function<void(int error)>;

    /// Tries 127.0.0.1, then ::1, then whichever other address of the guest has a listener on that
    /// port. `connected` may be called before this returns.
    static std::shared_ptr<Tunnel> open(Loop& loop, std::uint16_t port, StreamEnd stream,
                                        Connected connected);
    Tunnel(Loop& loop, std::uint16_t port, StreamEnd stream, Connected connected);

    void take(std::string_view bytes);
    /// No more input will come: the socket's sending side is shut once it is written.
    void end_input();
    /// Fills the buffer. 0 without `finished`: nothing now, output_ready follows. Negative: the
    /// connection broke.
    std::ptrdiff_t read_output(std::uint8_t* buffer, std::size_t length, bool& finished);
    /// Whether the other side takes nothing more.
    bool input_broken() const { return input_broken_; }

    /// The stream is done on both sides: what is left of the input is still delivered.
    void finish();
    /// The stream broke, or the host is gone: so does this connection.
    void abort();

  private:
    void try_next();
    bool next_address(std::string& address);
    void on_event(std::uint32_t events);
    void on_connected(int error);
    void write_input();
    void break_input();
    void watch();
    void close();

    Loop& loop_;
    std::uint16_t port_;
    StreamEnd stream_;
    Connected connected_;
    Fd socket_;
    std::vector<std::string> addresses_{"::1", "127.0.0.1"};  ///< to be tried, the next one last
    std::string input_;
    bool asked_for_others_ = false;
    int last_error_ = 0;
    bool connecting_ = true;
    bool watched_ = false;
    bool attached_ = true;
    bool waiting_ = false;  ///< the stream asked, and there was nothing
    bool input_ended_ = false;
    bool input_broken_ = false;
    bool output_ended_ = false;
};

}  // namespace banger::guest
