#include "daemon/api/metrics.hpp"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <utility>

#include "daemon/api/version.hpp"

namespace banger::api {
namespace {

void describe(std::string& out, std::string_view name, std::string_view type,
              std::string_view help) {
    out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, help, type);
}

void add_gauge(std::string& out, std::string_view name, std::string_view help, double value) {
    describe(out, name, "gauge", help);
    out += fmt::format("{} {}\n", name, value);
}

// Every state is there, so that a graph shows a zero and not a gap.
void add_vms(std::string& out, const std::vector<VmInfo>& vms) {
    std::map<std::string, int> by_state{{"created", 0}, {"starting", 0}, {"running", 0},
                                        {"paused", 0},  {"stopping", 0}, {"stopped", 0},
                                        {"error", 0}};
    for (const auto& vm : vms)
        ++by_state[vm.state];
    describe(out, "banger_vms", "gauge", "VMs by state.");
    for (const auto& [state, count] : by_state) {
        out += fmt::format("banger_vms{{state=\"{}\"}} {}\n", state, count);
    }
}

void add_operations(std::string& out, const std::vector<OperationInfo>& operations) {
    std::map<std::pair<std::string, std::string>, int> by_kind;
    for (const auto& operation : operations)
        ++by_kind[{operation.kind, operation.state}];
    describe(out, "banger_operations", "gauge", "Operations remembered, by kind and state.");
    for (const auto& [key, count] : by_kind) {
        out += fmt::format("banger_operations{{kind=\"{}\",state=\"{}\"}} {}\n", key.first,
                           key.second, count);
    }
}

// proc(5): the second number of statm is the resident set in pages.
double resident_bytes() {
    std::ifstream statm("/proc/self/statm");
    long size = 0;
    long resident = 0;
    statm >> size >> resident;
    return static_cast<double>(resident) * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double open_descriptors() {
    std::error_code error;
    double count = 0;
    for (std::filesystem::directory_iterator entry("/proc/self/fd", error), end;
         !error && entry != end; entry.increment(error)) {
        ++count;
    }
    // One of them was the listing itself.
    return count - 1;
}

void add_process(std::string& out) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    add_gauge(out, "process_resident_memory_bytes", "Resident memory of bangerd.",
              resident_bytes());
    add_gauge(out, "process_open_fds", "Open file descriptors of bangerd.", open_descriptors());
    add_gauge(out, "process_max_fds", "How many file descriptors bangerd may open.",
              static_cast<double>(limit.rlim_cur));
}

}  // namespace

std::string metrics_text(const std::vector<VmInfo>& vms,
                         const std::vector<OperationInfo>& operations) {
    std::string out;
    describe(out, "banger_build_info", "gauge", "Always 1; the label tells the version.");
    out += fmt::format("banger_build_info{{version=\"{}\"}} 1\n", version());
    add_vms(out, vms);
    add_operations(out, operations);
    add_process(out);
    return out;
}

}  // namespace banger::api
