#include "guest/vsock-agent/traffic.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "guest/vsock-agent/files.hpp"

namespace banger::guest {
namespace {

// Between the bytes received and those sent: packets, errs, drop, fifo, frame, compressed,
// multicast.
constexpr int kBetween = 7;

/// Takes the first number off the line.
bool take_number(std::string_view& line, std::uint64_t& number) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const auto [end, error] = std::from_chars(line.data(), line.data() + line.size(), number);
    line.remove_prefix(static_cast<std::size_t>(end - line.data()));
    return error == std::errc();
}

/// Only a card has a device behind it.
bool is_card(const std::string& interface) {
    return ::access(("/sys/class/net/" + interface + "/device").c_str(), F_OK) == 0;
}

}  // namespace

Traffic parse_traffic(std::string_view table,
                      const std::function<bool(const std::string&)>& counts) {
    Traffic sum;
    while (!table.empty()) {
        auto line = table.substr(0, table.find('\n'));
        table.remove_prefix(std::min(line.size() + 1, table.size()));
        const auto colon = line.find(':');
        if (colon == std::string_view::npos) continue;
        auto name = line.substr(0, colon);
        name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
        line.remove_prefix(colon + 1);
        Traffic one;
        bool good = !name.empty() && take_number(line, one.received);
        for (int i = 0; good && i < kBetween; ++i) {
            std::uint64_t skipped = 0;
            good = take_number(line, skipped);
        }
        good = good && take_number(line, one.sent);
        if (!good || !counts(std::string(name))) continue;
        sum.received += one.received;
        sum.sent += one.sent;
    }
    return sum;
}

Traffic read_traffic() {
    std::string table;
    if (read_small_file("/proc/net/dev", table) != 0) return {};
    return parse_traffic(table, is_card);
}

}  // namespace banger::guest
