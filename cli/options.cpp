#include "cli/options.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "pipelines/io/error.hpp"
#include "pipelines/io/size.hpp"

namespace banger::cli {

CLI::Option* add_size_option(CLI::App& app, const std::string& name,
                             std::optional<std::uint64_t>& bytes, const std::string& help) {
    const auto parse = [&bytes, name](const std::string& text) {
        try {
            bytes = parse_size(text);
        } catch (const Error& error) {
            throw CLI::ValidationError(name, error.what());
        }
    };
    return app.add_option_function<std::string>(name, parse, help)->type_name("SIZE");
}

std::string absolute_path(const std::string& path) {
    return std::filesystem::absolute(path).lexically_normal().string();
}

bool means_standard_input(const std::string& reference) {
    for (const std::string source : {"-", "oci-archive:-", "docker-archive:-"}) {
        if (reference == source) return true;
        if (source != "-" && reference.starts_with(source + ":")) return true;
    }
    return false;
}

std::string absolute_reference(const std::string& reference) {
    if (means_standard_input(reference)) return reference;
    for (const std::string scheme : {"oci:", "oci-archive:", "docker-archive:"}) {
        if (!reference.starts_with(scheme)) continue;
        const auto rest = reference.substr(scheme.size());
        // What follows the path is a name, and no path, though it may have slashes.
        const bool is_docker = scheme.starts_with("docker");
        const auto end = is_docker ? std::min(rest.find(':'), rest.size()) : rest.size();
        const auto path = rest.substr(0, end);
        if (path.empty()) return reference;
        return scheme + absolute_path(path) + rest.substr(end);
    }
    return reference;
}

std::vector<std::string> resolve_env(const std::vector<std::string>& given) {
    std::vector<std::string> out;
    for (const auto& variable : given) {
        if (variable.find('=') != std::string::npos) {
            out.push_back(variable);
        } else if (const char* value = std::getenv(variable.c_str())) {
            out.push_back(variable + "=" + value);
        }
    }
    return out;
}

}  // namespace banger::cli
