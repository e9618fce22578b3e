#pragma once

#include <boost/json/value.hpp>
#include <cstdint>
#include <string>

#include "daemon/api/types.hpp"

namespace banger::cli {

/// "512 B", "1.4 MiB", "8.0 GiB".
std::string format_bytes(std::uint64_t bytes);
/// "spec: 2 vCPU · 2048 MiB · 8.0 GiB disk · image debian · kernel cloud · qemu/emulated"
std::string format_spec(const api::VmInfo& vm);
/// "boot: disks 12 ms · vmm 140 ms · … · ready 4.21 s"; empty when nothing is known.
std::string format_timeline(const api::BootReport& boot);
/// "name:   value" for each member that is set; sizes for people, lists joined by spaces, objects
/// left out.
std::string format_details(const boost::json::value& object);
/// One setting of config.toml as text, without units; a list separated by commas, as `config set`
/// takes it.
std::string format_setting(const boost::json::value& value);
/// "key = value" for each.
std::string format_settings(const boost::json::value& object);
/// A time stamp of the API without its fraction: "2026-11-20 12:18:56".
std::string format_time(const std::string& rfc3339);

}  // namespace banger::cli
