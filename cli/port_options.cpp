#include "cli/port_options.hpp"

#include <optional>

#include "cli/port_spec.hpp"

namespace banger::cli {
namespace {

std::optional<std::vector<api::PublishedPort>> parse_all(
    const std::vector<std::string>& specs, api::PublishedPort (*parse)(std::string_view)) {
    if (specs.empty()) return std::nullopt;
    std::vector<api::PublishedPort> ports;
    ports.reserve(specs.size());
    for (const auto& spec : specs)
        ports.push_back(parse(spec));
    return ports;
}

}  // namespace

void add_port_options(CLI::App& command, PortOptions& options) {
    command.add_option("-p,--publish", options.publish, "[address:]host:guest, at once")
        ->allow_extra_args(false);
    command.add_option("--unpublish", options.unpublish, "[address:]host")->allow_extra_args(false);
    auto* all = command.add_flag("-P,--publish-all", options.all,
                                 "whatever the guest listens on, on the VM's own address");
    command.add_flag("--no-publish-all", options.not_all, "only what is published by name")
        ->excludes(all);
}

void add_ports(api::VmChangeRequest& request, const PortOptions& options) {
    request.publish = parse_all(options.publish, parse_port_spec);
    request.unpublish = parse_all(options.unpublish, parse_published);
    if (options.all || options.not_all) request.publish_all = options.all;
}

}  // namespace banger::cli
