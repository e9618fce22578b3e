#include "guest/vsock-agent/exec.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "guest/vsock-agent/frame.hpp"
#include "guest/vsock-agent/json_reader.hpp"

namespace banger::guest {
namespace {

using std::chrono::milliseconds;

// A background child may hold the pipes open for ever after the process has exited.
constexpr milliseconds kLastLook{100};
constexpr milliseconds kKillAfterHangUp{2000};
constexpr std::uint32_t kReadable = EPOLLIN | EPOLLONESHOT;
constexpr char kEndOfTransmission[] = "\x04";
constexpr int kDrainRounds = 16;
// Below this, a frame is built aside and sent in pieces.
constexpr std::size_t kSmallestDirectRead = 512;

}  // namespace

std::shared_ptr<Exec> Exec::start(Loop& loop, const Command& command, StreamEnd stream,
                                  int& error) {
    Process process;
    error = start_process(command, process);
    if (error != 0) return nullptr;
    auto exec = std::make_shared<Exec>(loop, std::move(process), command.tty, std::move(stream));
    exec->watch_exit();
    return exec;
}

Exec::Exec(Loop& loop, Process process, bool tty, StreamEnd stream)
    : loop_(loop),
      stream_(std::move(stream)),
      pid_(process.pid),
      pidfd_(std::move(process.pidfd)),
      input_(std::move(process.standard_in)),
      outputs_{{std::move(process.standard_out), Channel::standard_out},
               {std::move(process.standard_error), Channel::standard_error}},
      tty_(tty) {}

void Exec::watch_exit() {
    loop_.watch(pidfd_.get(), EPOLLIN,
                [self = shared_from_this()](std::uint32_t) { self->on_exit(); });
}

void Exec::on_exit() {
    loop_.forget(pidfd_.get());
    status_ = reap(pidfd_);
    exited_ = true;
    discard_input();
    schedule_last_look();
    if (waiting_ && attached_) stream_.output_ready();
}

void Exec::schedule_last_look() {
    loop_.after(kLastLook, [self = shared_from_this(), before = reads_] {
        // While the client does not read, nobody has looked whether there is more.
        const bool more_may_come = self->attached_ && !self->waiting_;
        if (more_may_come || self->reads_ != before) {
            if (!self->status_queued_) self->schedule_last_look();
            return;
        }
        for (Output& output : self->outputs_)
            self->close_output(output);
        if (self->attached_) self->stream_.output_ready();
    });
}

void Exec::take_frame(Channel channel, std::string_view payload) {
    switch (channel) {
        case Channel::standard_in:
            input_buffer_.append(payload);
            return write_input();
        case Channel::resize:
            resize(payload);
            break;
        case Channel::signal: {
            std::int64_t signal = 0;
            JsonReader in;
            if (in.parse(payload)) in.integer("signal", signal);
            if (signal > 0 && signal < NSIG) signal_group(static_cast<int>(signal));
            break;
        }
        case Channel::close:
            if (payload == std::string_view("\0", 1)) end_input();
            break;
        default:
            break;
    }
    stream_.consumed(payload.size());
}

void Exec::resize(std::string_view payload) {
    std::int64_t width = 0;
    std::int64_t height = 0;
    JsonReader in;
    if (!in.parse(payload)) return;
    in.integer("Width", width);
    in.integer("Height", height);
    if (!tty_ || !outputs_[0].fd || width <= 0 || height <= 0) return;
    resize_terminal(outputs_[0].fd.get(), static_cast<int>(width), static_cast<int>(height));
}

void Exec::end_input() {
    if (input_ended_) return;
    input_ended_ = true;
    // A terminal has no end of file of its own; this is the key that makes one.
    if (tty_ && input_) input_buffer_ += kEndOfTransmission;
    write_input();
}

void Exec::write_input() {
    if (!input_) return discard_input();
    std::size_t written = 0;
    while (written < input_buffer_.size()) {
        const ssize_t count =
            ::write(input_.get(), input_buffer_.data() + written, input_buffer_.size() - written);
        if (count < 0 && errno == EINTR) continue;
        if (count < 0 && errno != EAGAIN) return discard_input();
        if (count < 0) break;
        written += static_cast<std::size_t>(count);
    }
    input_buffer_.erase(0, written);
    if (written > 0 && attached_) stream_.consumed(written);
    if (input_buffer_.empty()) {
        if (input_ended_ && !tty_) close_input();
        return;
    }
    const std::uint32_t events = EPOLLOUT | EPOLLONESHOT;
    if (input_watched_) {
        loop_.rearm(input_.get(), events);
        return;
    }
    input_watched_ = true;
    loop_.watch(input_.get(), events,
                [self = shared_from_this()](std::uint32_t) { self->write_input(); });
}

void Exec::close_input() {
    if (input_watched_) loop_.forget(input_.get());
    input_watched_ = false;
    input_.reset();
}

// The process takes no more input; what still comes needs no room.
void Exec::discard_input() {
    close_input();
    const std::size_t size = input_buffer_.size();
    input_buffer_.clear();
    if (size > 0 && attached_) stream_.consumed(size);
}

std::size_t Exec::read_output(std::uint8_t* buffer, std::size_t length, bool& finished) {
    waiting_ = false;
    std::size_t count = take_pending(buffer, length);
    for (unsigned i = 0; i < 2 && count == 0; ++i) {
        count = read_pipe(outputs_[(turn_ + i) % 2], buffer, length);
    }
    ++turn_;
    const bool done = exited_ && !outputs_[0].fd && !outputs_[1].fd;
    if (count == 0 && done && !status_queued_) {
        status_queued_ = true;
        const char* key = status_.signalled ? "signal" : "exit_code";
        pending_ = make_frame(
            Channel::status, "{\"" + std::string(key) + "\":" + std::to_string(status_.code) + "}");
        count = take_pending(buffer, length);
    }
    finished = status_queued_ && pending_.empty();
    if (count > 0 || finished) return count;
    waiting_ = true;
    for (Output& output : outputs_)
        wait_for_output(output);
    return 0;
}

std::size_t Exec::read_pipe(Output& output, std::uint8_t* buffer, std::size_t length) {
    if (!output.fd) return 0;
    const bool direct = length >= kSmallestDirectRead;
    if (!direct) pending_.resize(kSmallestDirectRead);
    auto* frame = direct ? buffer : reinterpret_cast<std::uint8_t*>(pending_.data());
    const std::size_t room = (direct ? length : kSmallestDirectRead) - kFrameHeader;
    const ssize_t count = ::read(output.fd.get(), frame + kFrameHeader, std::min(room, kMaxFrame));
    const int cause = errno;
    if (count > 0) {
        ++reads_;
        write_frame_header(frame, output.channel, static_cast<std::uint32_t>(count));
    }
    const std::size_t size = count > 0 ? kFrameHeader + static_cast<std::size_t>(count) : 0;
    if (!direct) pending_.resize(size);
    // EIO is how a terminal says that its last user has closed it.
    if (count == 0 || (count < 0 && cause != EAGAIN && cause != EINTR)) close_output(output);
    return direct ? size : take_pending(buffer, length);
}

std::size_t Exec::take_pending(std::uint8_t* buffer, std::size_t length) {
    const std::size_t count = std::min(length, pending_.size());
    std::memcpy(buffer, pending_.data(), count);
    pending_.erase(0, count);
    return count;
}

void Exec::wait_for_output(Output& output) {
    if (!output.fd) return;
    if (output.watched) {
        loop_.rearm(output.fd.get(), kReadable);
        return;
    }
    output.watched = true;
    loop_.watch(output.fd.get(), kReadable, [self = shared_from_this(), &output](std::uint32_t) {
        if (!self->attached_) return self->drain(output);
        if (self->waiting_) self->stream_.output_ready();
    });
}

void Exec::drain(Output& output) {
    char scratch[16 * 1024];
    ssize_t count = 1;
    // Not for as long as there is something: a process that never stops writing would hold the
    // loop.
    for (int round = 0; round < kDrainRounds && count > 0; ++round) {
        count = ::read(output.fd.get(), scratch, sizeof scratch);
        if (count > 0) ++reads_;
    }
    const bool more_may_come = count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR));
    if (more_may_come) return wait_for_output(output);
    close_output(output);
}

void Exec::close_output(Output& output) {
    if (output.watched) loop_.forget(output.fd.get());
    output.watched = false;
    output.fd.reset();
}

void Exec::detach() {
    // stream_ stays: this may be called from inside one of its functions.
    attached_ = false;
    end_input();
    for (Output& output : outputs_)
        wait_for_output(output);
}

void Exec::hang_up() {
    detach();
    signal_group(SIGHUP);
    // Also when the leader has gone by then: others of its group may ignore the SIGHUP.
    loop_.after(kKillAfterHangUp, [pid = pid_] { ::kill(-pid, SIGKILL); });
}

void Exec::signal_group(int signal) {
    // Once reaped, the number may belong to somebody else.
    if (!exited_) ::kill(-pid_, signal);
}

}  // namespace banger::guest
