#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "pipelines/io/task.hpp"

namespace banger::vm {

/// What a process in a guest gave: output, or its end.
struct ExecEvent {
    enum class Kind { standard_out, standard_error, exited };
    Kind kind = Kind::standard_out;
    std::vector<std::byte> bytes;
    int exit_code = 0;  ///< of `exited`: the status, or 128+n when signal n killed it
};

/// One process started in a guest through its agent. One reader (next) and one writer (the rest) at
/// a time. Destroying it resets the stream: the process gets SIGHUP.
class ExecSession {
  public:
    virtual ~ExecSession() = default;
    /// Suspends for flow control.
    virtual Task<void> write_stdin(std::span<const std::byte> bytes) = 0;
    virtual Task<void> close_stdin() = 0;
    virtual Task<void> resize(std::uint16_t width, std::uint16_t height) = 0;
    virtual Task<void> signal(int number) = 0;
    /// The next event; `exited` is the last. Throws Error{unavailable} when the VM went away.
    virtual Task<ExecEvent> next() = 0;
};

}  // namespace banger::vm
