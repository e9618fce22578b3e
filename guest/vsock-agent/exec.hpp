#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "guest/vsock-agent/loop.hpp"
#include "guest/vsock-agent/process.hpp"
#include "guest/vsock-agent/protocol.hpp"
#include "guest/vsock-agent/stream_end.hpp"

namespace banger::guest {

/// One process joined to one stream, until the stream goes: nothing is buffered but what the
/// stream's window lets in, and output is read from the pipe only when the stream asks for it. Kept
/// alive by the loop's handlers until the process is gone and its pipes are done.
class Exec : public std::enable_shared_from_this<Exec> {
  public:
    /// nullptr and `error` (-errno) when it cannot be started.
    static std::shared_ptr<Exec> start(Loop& loop, const Command& command, StreamEnd stream,
                                       int& error);
    Exec(Loop& loop, Process process, bool tty, StreamEnd stream);

    void take_frame(Channel channel, std::string_view payload);
    /// No more input will come: closes the process's standard input once it is written.
    void end_input();

    /// Fills the buffer with output frames, at last the status frame. 0 without `finished`: nothing
    /// now, output_ready follows.
    std::size_t read_output(std::uint8_t* buffer, std::size_t length, bool& finished);

    /// The connection is gone, the process lives on: input ends, output is thrown away.
    void detach();
    /// The client gave up this stream: SIGHUP to the process group, SIGKILL two seconds later.
    void hang_up();

  private:
    struct Output {
        Fd fd;
        Channel channel;
        bool watched = false;
    };

    void watch_exit();
    void on_exit();
    void schedule_last_look();
    void write_input();
    void close_input();
    void discard_input();
    std::size_t read_pipe(Output& output, std::uint8_t* buffer, std::size_t length);
    std::size_t take_pending(std::uint8_t* buffer, std::size_t length);
    void wait_for_output(Output& output);
    void drain(Output& output);
    void close_output(Output& output);
    void signal_group(int signal);
    void resize(std::string_view payload);

    Loop& loop_;
    StreamEnd stream_;
    pid_t pid_;
    Fd pidfd_;
    Fd input_;
    Output outputs_[2];
    bool tty_;
    std::string input_buffer_;
    bool input_ended_ = false;
    bool input_watched_ = false;
    bool attached_ = true;
    bool exited_ = false;
    bool waiting_ = false;  ///< the stream asked, and there was nothing
    bool status_queued_ = false;
    unsigned turn_ = 0;        ///< which output is asked first, so that neither starves
    std::uint64_t reads_ = 0;  ///< successful ones, to see whether output still comes
    std::string pending_;      ///< frame bytes that did not fit
    ExitStatus status_;
};

}  // namespace banger::guest
