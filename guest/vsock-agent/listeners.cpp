#include "guest/vsock-agent/listeners.hpp"

#include <arpa/inet.h>
#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <tuple>
#include <utility>

#include "guest/vsock-agent/files.hpp"

namespace banger::guest {
namespace {

constexpr std::string_view kListen = "0A";  // TCP_LISTEN, include/net/tcp_states.h
constexpr char kSocketLink[] = "socket:[";

std::string_view next_word(std::string_view& line) {
    line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
    const auto word = line.substr(0, line.find(' '));
    line.remove_prefix(word.size());
    return word;
}

template <class Number>
bool parse_number(std::string_view text, Number& number, int base) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    return error == std::errc() && end == text.data() + text.size();
}

/// The kernel prints each 32 bits of the address as the number that they are in memory.
bool parse_address(std::string_view text, bool ipv6, std::string& address) {
    const std::size_t words = ipv6 ? 4 : 1;
    if (text.size() != words * 8) return false;
    std::uint32_t raw[4]{};
    for (std::size_t i = 0; i < words; ++i) {
        if (!parse_number(text.substr(i * 8, 8), raw[i], 16)) return false;
    }
    char out[INET6_ADDRSTRLEN];
    if (::inet_ntop(ipv6 ? AF_INET6 : AF_INET, raw, out, sizeof out) == nullptr) return false;
    address = out;
    return true;
}

bool parse_line(std::string_view line, bool ipv6, Listener& listener) {
    next_word(line);  // its number in the table
    const auto local = next_word(line);
    next_word(line);  // the far end
    if (next_word(line) != kListen) return false;
    // Queues, timer, retransmits, owner, time-out.
    for (int i = 0; i < 5; ++i)
        next_word(line);
    const auto colon = local.find(':');
    return colon != std::string_view::npos &&
           parse_address(local.substr(0, colon), ipv6, listener.address) &&
           parse_number(local.substr(colon + 1), listener.port, 16) &&
           parse_number(next_word(line), listener.inode, 10);
}

using Directory = std::unique_ptr<DIR, int (*)(DIR*)>;

template <class Visit>
void each_entry(const std::string& path, Visit visit) {
    const Directory directory(::opendir(path.c_str()), ::closedir);
    if (!directory) return;
    while (const dirent* entry = ::readdir(directory.get())) {
        if (entry->d_name[0] != '.') visit(entry->d_name);
    }
}

bool socket_inode(const std::string& link, std::uint64_t& inode) {
    char target[64];
    const ssize_t size = ::readlink(link.c_str(), target, sizeof target);
    if (size <= 0) return false;
    std::string_view text(target, static_cast<std::size_t>(size));
    if (!text.starts_with(kSocketLink) || !text.ends_with(']')) return false;
    text.remove_prefix(sizeof kSocketLink - 1);
    text.remove_suffix(1);
    return parse_number(text, inode, 10);
}

std::string process_name(const std::string& process) {
    std::string name;
    read_small_file((process + "/comm").c_str(), name);
    if (!name.empty() && name.back() == '\n') name.pop_back();
    // A process gives itself any name it likes; this one goes into JSON and onto terminals.
    for (char& byte : name)
        if (byte < ' ' || byte > '~') byte = '?';
    return name;
}

bool is_process(const char* name) {
    return *name >= '0' && *name <= '9';
}

}  // namespace

std::vector<Listener> parse_listeners(std::string_view table, bool ipv6) {
    std::vector<Listener> listeners;
    while (!table.empty()) {
        const auto line = table.substr(0, table.find('\n'));
        table.remove_prefix(std::min(line.size() + 1, table.size()));
        Listener listener;
        if (parse_line(line, ipv6, listener)) listeners.push_back(std::move(listener));
    }
    return listeners;
}

std::vector<Listener> read_listeners() {
    std::vector<Listener> listeners;
    for (const bool ipv6 : {false, true}) {
        std::string table;
        if (read_small_file(ipv6 ? "/proc/net/tcp6" : "/proc/net/tcp", table) != 0) continue;
        auto found = parse_listeners(table, ipv6);
        std::move(found.begin(), found.end(), std::back_inserter(listeners));
    }
    std::sort(listeners.begin(), listeners.end(), [](const Listener& a, const Listener& b) {
        return std::tie(a.port, a.address) < std::tie(b.port, b.address);
    });
    return listeners;
}

std::vector<Listener> ListenerTable::read() {
    auto listeners = read_listeners();
    if (listeners.size() > kMaxListeners) listeners.resize(kMaxListeners);
    name(listeners);
    return listeners;
}

void ListenerTable::name(std::vector<Listener>& listeners) {
    std::map<std::uint64_t, std::string> names;
    bool all_known = true;
    for (const Listener& listener : listeners) {
        const auto known = names_.find(listener.inode);
        all_known = all_known && known != names_.end();
        names.emplace(listener.inode, known == names_.end() ? std::string() : known->second);
    }
    if (!all_known) {
        each_entry("/proc", [&](const char* pid) {
            if (!is_process(pid)) return;
            const std::string process = std::string("/proc/") + pid;
            each_entry(process + "/fd", [&](const char* fd) {
                std::uint64_t inode = 0;
                if (!socket_inode(process + "/fd/" + fd, inode)) return;
                const auto wanted = names.find(inode);
                if (wanted != names.end() && wanted->second.empty()) {
                    wanted->second = process_name(process);
                }
            });
        });
    }
    for (Listener& listener : listeners)
        listener.process = names.at(listener.inode);
    names_ = std::move(names);
}

}  // namespace banger::guest
