#pragma once

#include <cstdint>
#include <optional>

namespace banger {

/// What proc_pid_stat(5) tells about a process.
struct ProcessStat {
    char state = '?';              ///< field 3; 'Z' is a zombie
    std::uint64_t start_time = 0;  ///< field 22, in clock ticks since boot
};

/// Empty when there is no such process.
std::optional<ProcessStat> read_process_stat(int pid);

}  // namespace banger
