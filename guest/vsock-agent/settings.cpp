#include "guest/vsock-agent/settings.hpp"

#include "guest/vsock-agent/json_reader.hpp"

namespace banger::guest {
namespace {

void parse_network(const boost::json::object& object, Settings& settings, std::string& error) {
    JsonReader in{object};
    NetworkSettings network;
    in.string("address", network.address);
    in.string("gateway", network.gateway);
    in.strings("dns", network.dns);
    if (!in.ok()) error = "network: " + in.error();
    settings.network = std::move(network);
}

bool parse_init(const std::string& word, InitChoice& init) {
    if (word == "auto") init = InitChoice::automatic;
    if (word == "image") init = InitChoice::image;
    if (word == "banger") init = InitChoice::banger;
    return word == "auto" || word == "image" || word == "banger";
}

bool parse_disk_mode(const std::string& word, DiskMode& mode) {
    mode = word == "copy" ? DiskMode::copy : DiskMode::overlay;
    return word == "copy" || word == "overlay";
}

}  // namespace

bool parse_settings(std::string_view text, Settings& settings, std::string& error) {
    settings = {};
    error.clear();
    JsonReader in;
    std::string init = "auto";
    std::string disk_mode = "overlay";
    if (in.parse(text)) {
        in.string("hostname", settings.hostname);
        in.string("init", init);
        in.string("disk_mode", disk_mode);
        in.strings("env", settings.env);
        in.string("working_dir", settings.working_dir);
        in.strings("modules", settings.modules);
        in.integer("realtime_ns", settings.realtime_ns);
        if (const auto* network = in.object("network")) parse_network(*network, settings, error);
    }
    if (!in.ok()) error = in.error();
    if (error.empty() && !parse_init(init, settings.init)) {
        error = "init is '" + init + "', not auto, image or banger";
    }
    if (error.empty() && !parse_disk_mode(disk_mode, settings.disk_mode)) {
        error = "disk_mode is '" + disk_mode + "', not overlay or copy";
    }
    return error.empty();
}

}  // namespace banger::guest
