#pragma once

#include <fmt/format.h>

#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace banger {

/// What went wrong, in the terms a caller can act on. The HTTP status and the CLI's exit code
/// follow from it (docs/openapi.yaml, component Error).
enum class Errc {
    invalid_argument = 1,
    not_found,
    already_exists,
    conflict,
    digest_mismatch,
    unsupported,
    unauthorized,
    unavailable,
    timed_out,
    cancelled,
    no_space,
    internal,
};

/// The spelling used on the wire: "not_found".
std::string_view to_string(Errc code);

/// The inverse of to_string; a name nobody knows is `internal`.
Errc errc_from_string(std::string_view name);

/// The one exception type of banger. Messages are lower case, without a full stop, and name the
/// object and, where there is one, the fix.
class Error : public std::runtime_error {
  public:
    Error(Errc code, const std::string& message) : std::runtime_error(message), code_(code) {}

    Errc code() const noexcept { return code_; }

  private:
    Errc code_;
};

/// Throws Error{code, formatted message}.
template <class... Args>
[[noreturn]] void fail(Errc code, fmt::format_string<Args...> format, Args&&... args) {
    throw Error(code, fmt::format(format, std::forward<Args>(args)...));
}

/// The Errc that an errno value stands for: ENOENT is not_found, ENOSPC and EDQUOT are no_space.
Errc errc_from_errno(int error);

/// Throws Error for `error` (an errno value): "cannot open /x: No such file or directory", where
/// the formatted text is the part before the colon.
template <class... Args>
[[noreturn]] void fail_errno(int error, fmt::format_string<Args...> format, Args&&... args);

/// The text of strerror, thread-safe.
std::string errno_text(int error);

template <class... Args>
[[noreturn]] void fail_errno(int error, fmt::format_string<Args...> format, Args&&... args) {
    throw Error(errc_from_errno(error),
                fmt::format(format, std::forward<Args>(args)...) + ": " + errno_text(error));
}

}  // namespace banger
