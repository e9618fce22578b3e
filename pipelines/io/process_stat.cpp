#include "pipelines/io/process_stat.hpp"

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <string>

namespace banger {

std::optional<ProcessStat> read_process_stat(int pid) {
    std::ifstream file(fmt::format("/proc/{}/stat", pid));
    std::string line;
    if (!std::getline(file, line)) return std::nullopt;
    // Field 2 is the name in parentheses, which may itself hold spaces and parentheses.
    const auto name_end = line.rfind(')');
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream fields(line.substr(name_end + 1));
    ProcessStat stat;
    fields >> stat.state;
    std::string skipped;
    for (int field = 4; field < 22; ++field)
        fields >> skipped;
    fields >> stat.start_time;
    if (!fields) return std::nullopt;
    return stat;
}

}  // namespace banger
