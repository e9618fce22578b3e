#pragma once

#include <cstdint>
#include <optional>

namespace banger {

/// What proc_pid_stat(5) tells about a process.
struct ProcessStat {
    char state = '?';              ///< field 3; 'Z' is a zombie
    std::uint64_t cpu_ticks = 0;   ///< fields 14 and 15: user and system time, in clock ticks
    std::uint64_t start_time = 0;  ///< field 22, in clock ticks since boot
    std::uint64_t rss_pages = 0;   ///< field 24
};

/// Empty when there is no such process.
std::optional<ProcessStat> read_process_stat(int pid);

}  // namespace banger
