#pragma once

#include <string>
#include <string_view>

#include "guest/vsock-agent/settings.hpp"

namespace banger::guest {

/// Sets the host name and writes /etc/hostname, /etc/hosts and /etc/resolv.conf, inside the root.
/// A file that says the right thing already is left alone, so that later boots copy nothing up.
void write_guest_files(const Settings& settings);

/// /etc/hosts with `hostname` at 127.0.1.1 and localhost there; everything else as it was.
std::string updated_hosts(std::string_view hosts, const std::string& hostname);

/// The text of /etc/resolv.conf.
std::string resolver_settings(const NetworkSettings& network);

}  // namespace banger::guest
