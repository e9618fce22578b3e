#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "daemon/api/types.hpp"
#include "daemon/vm/hello.hpp"

namespace banger::vm {

/// Marks of the guest, counted from the start of its kernel, on the clock of the start that was
/// asked for: `said_ms` is when the hello, whose last mark is its newest, was heard here. Gives
/// "kernel" and one per mark; none is earlier than `vmm_ms`.
std::vector<api::BootMark> place_guest_marks(const std::vector<api::BootMark>& marks,
                                             std::int64_t vmm_ms, std::int64_t said_ms);

/// The lines "banger: <name> <ms>" that the early init wrote to the console.
std::vector<api::BootMark> marks_in_console(std::string_view console);

/// How far a start came to nothing.
struct FailedBoot {
    std::string console;                  ///< the tail of the serial console
    std::optional<std::string> vmm_exit;  ///< decoded end of the VMM, when it has ended
    std::uint32_t seconds = 0;            ///< the deadline that passed, when it has not
};

/// Why, in one plain sentence: what the early init said when it gave up, a kernel panic, the VMM's
/// own words, or no answer and the last thing that was seen.
std::string verdict(const FailedBoot& boot);

/// The last `count` lines that are not empty of a console, without control characters.
std::string last_lines(std::string_view console, std::size_t count);

}  // namespace banger::vm
