#include "pipelines/io/process_stat.hpp"

#include <fmt/format.h>

#include <fstream>
#include <sstream>
#include <string>

namespace banger {
namespace {

void skip(std::istream& fields, int first, int last) {
    std::string skipped;
    for (int field = first; field <= last; ++field)
        fields >> skipped;
}

}  // namespace

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
    skip(fields, 4, 13);
    std::uint64_t system_ticks = 0;
    fields >> stat.cpu_ticks >> system_ticks;
    stat.cpu_ticks += system_ticks;
    skip(fields, 16, 21);
    fields >> stat.start_time;
    skip(fields, 23, 23);
    fields >> stat.rss_pages;
    if (!fields) return std::nullopt;
    return stat;
}

}  // namespace banger
