#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace banger::guest {

struct NetworkSettings {
    std::string address;  ///< IPv4 with prefix length: "10.0.2.15/24"
    std::string gateway;  ///< may be empty: no default route
    std::vector<std::string> dns;
};

enum class InitChoice { automatic, image, banger };
enum class DiskMode { overlay, copy };

/// The per-VM settings file, see protocol.hpp.
struct Settings {
    std::string hostname;
    InitChoice init = InitChoice::automatic;
    DiskMode disk_mode = DiskMode::overlay;
    std::optional<NetworkSettings> network;
    std::vector<std::string> env;
    std::string working_dir;
    std::vector<std::string> modules;
    std::int64_t realtime_ns = 0;
};

/// False: `error` says in one sentence what is wrong. Unknown keys are ignored, missing ones
/// default.
bool parse_settings(std::string_view text, Settings& settings, std::string& error);

}  // namespace banger::guest
