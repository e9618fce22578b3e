#include "cli/options.hpp"

#include <cstdlib>
#include <filesystem>

#include "daemon/config.hpp"
#include "pipelines/io/error.hpp"

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

std::string absolute_reference(const std::string& reference) {
    constexpr std::string_view kScheme = "oci:";
    if (!reference.starts_with(kScheme) || reference.size() == kScheme.size()) return reference;
    return std::string(kScheme) + absolute_path(reference.substr(kScheme.size()));
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
