#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "pipelines/image/registry/retry.hpp"

namespace banger::image {

/// How long a silent registry is waited for; the tests' registries are given less.
struct Patience {
    std::chrono::seconds connect{10};
    std::chrono::seconds header{30};
    std::chrono::seconds stall{30};  ///< without a byte
    /// Less than `slow_bytes` in this much waiting is as bad as nothing: 1 KiB/s over a minute.
    std::chrono::seconds slow_window{60};
    std::uint64_t slow_bytes = 60 * 1024;
};

/// What config.toml says about registries. "Host" is host or host:port.
struct RegistrySettings {
    std::vector<std::string> plain_http_hosts;  ///< besides the loopback ones
    /// By a reference's domain: where else its images are, in order of preference:
    /// "https://mirror.example[/prefix]". They never see the origin's credentials.
    std::map<std::string, std::vector<std::string>> mirrors;
    /// By host: PEM certificates trusted for it, besides the system's.
    std::map<std::string, std::string> ca_files;
    RetryPolicy retry;
    Patience patience;
};

}  // namespace banger::image
